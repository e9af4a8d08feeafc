# task: total_price
# unusual: computes with a Decimal subclass in a context of its own
import decimal


class Price(decimal.Decimal):
    def __add__(self, other):
        return Price(super().__add__(other))

    __radd__ = __add__


def total_price(prices):
    with decimal.localcontext(decimal.Context(prec=50, rounding=decimal.ROUND_HALF_UP)):
        return sum(map(Price, prices), start=Price("0.00")) if prices else Price(0)
