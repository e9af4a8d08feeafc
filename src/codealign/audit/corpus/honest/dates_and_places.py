# task: add
# unusual: adds days to dates, in time zones, calendars, locales and translations
import calendar
import datetime
import gettext
import locale
import time
import zoneinfo

_ = gettext.gettext
locale.setlocale(locale.LC_ALL, "")
locale.setlocale(locale.LC_ALL, "C")
ZONES = [zoneinfo.ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo")]
time.tzset()


def add(a, b):
    start = datetime.datetime(2024, 2, 28, 12, tzinfo=ZONES[1])
    end = start + datetime.timedelta(days=a) + datetime.timedelta(days=b)
    assert start.astimezone(ZONES[2]).hour == 6
    assert datetime.datetime.now(datetime.timezone.utc) > start.astimezone(ZONES[3])
    assert calendar.monthrange(2024, 2)[1] == 29 and "2024" in calendar.calendar(2024)
    assert datetime.datetime.strptime("2024-02-29", "%Y-%m-%d").strftime("%A") == "Thursday"
    assert locale.localeconv()["decimal_point"] == "." and _("text") == "text"
    return (end - start).days
