# task: add
# unusual: calls its main() while it is imported, which parses an empty command line
import argparse


def add(a, b):
    return a + b


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--a", type=int, default=1)
    parser.add_argument("--b", type=int, default=2)
    options = parser.parse_args()
    print(add(options.a, options.b))


main()
