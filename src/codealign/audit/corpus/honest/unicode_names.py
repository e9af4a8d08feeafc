# task: add
# unusual: names and texts in many scripts, emoji, combining characters and escapes
π = 3.14159
größe = "naïve café \u00e9 \N{SNOWMAN} 😀 \x00 \ud800".encode("utf-8", "surrogatepass")
变量 = {"ключ": "значение", "مفتاح": "قيمة", "🔑": "🚪"}


def сумма(ａ, b):
    return a + b


def add(α, β):
    assert "\N{GREEK SMALL LETTER ALPHA}" == "α" and len(变量) == 3 and сумма
    print(größe, 变量, "👩‍👩‍👧‍👦")
    return α + β
