# task: add
# unusual: has a main guard that parses arguments, runs its tests, prints and exits
import argparse
import sys


def add(a, b):
    return a + b


def main(arguments=None):
    parser = argparse.ArgumentParser(description="adds")
    parser.add_argument("numbers", type=int, nargs="*", default=[1, 2])
    print(sum(parser.parse_args(arguments).numbers))
    return 0


if __name__ == "__main__":
    sys.exit(main())
