#include "time_text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static bool digits(const char **at, int count, int *value)
{
    *value = 0;
    for (int i = 0; i < count; i += 1) {
        const char digit = **at;
        if (digit < '0' || digit > '9') return false;
        *value = *value * 10 + (digit - '0');
        *at += 1;
    }
    return true;
}

static bool skip(const char **at, char wanted)
{
    if (**at != wanted) return false;
    *at += 1;
    return true;
}

static bool parse_date(const char **at, struct tm *tm)
{
    const bool good = digits(at, 4, &tm->tm_year) && skip(at, '-') && digits(at, 2, &tm->tm_mon) &&
                      skip(at, '-') && digits(at, 2, &tm->tm_mday);
    if (!good || tm->tm_mon < 1 || tm->tm_mon > 12 || tm->tm_mday < 1 || tm->tm_mday > 31) {
        return false;
    }
    tm->tm_year -= 1900;
    tm->tm_mon -= 1;
    return true;
}

static bool parse_clock(const char **at, struct tm *tm, int64_t *fraction_ns)
{
    if (!digits(at, 2, &tm->tm_hour) || !skip(at, ':') || !digits(at, 2, &tm->tm_min)) return false;
    if (skip(at, ':') && !digits(at, 2, &tm->tm_sec)) return false;
    if (tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 59) return false;
    if (!skip(at, '.')) return true;

    int64_t unit = 100000000;
    for (; **at >= '0' && **at <= '9'; *at += 1) {
        *fraction_ns += unit * (**at - '0');
        unit /= 10;
    }
    return true;
}

static bool parse_zone(const char **at, int64_t *zone_seconds)
{
    if (skip(at, 'Z') || **at == 0) return true;
    const int64_t sign = **at == '-' ? -1 : 1;
    int hours = 0;
    int minutes = 0;
    if (!skip(at, '+') && !skip(at, '-')) return false;
    if (!digits(at, 2, &hours) || !skip(at, ':') || !digits(at, 2, &minutes)) return false;
    if (hours > 23 || minutes > 59) return false;
    *zone_seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

static bool parse_bare(const char *text, int64_t *ns)
{
    int64_t value = 0;
    for (const char *at = text; *at != 0; at += 1) {
        if (*at < '0' || *at > '9') return false;
        if (value > (INT64_MAX - 9) / 10) return false;
        value = value * 10 + (*at - '0');
    }
    *ns = value;
    return text[0] != 0;
}

bool time_parse(const char *text, int64_t *ns)
{
    if (parse_bare(text, ns)) return true;

    struct tm tm;
    memset(&tm, 0, sizeof tm);
    int64_t fraction_ns = 0;
    int64_t zone_seconds = 0;
    const char *at = text;
    if (!parse_date(&at, &tm)) return false;
    if ((skip(&at, 'T') || skip(&at, ' ')) && !parse_clock(&at, &tm, &fraction_ns)) return false;
    if (!parse_zone(&at, &zone_seconds) || *at != 0) return false;

    const int64_t seconds = (int64_t)timegm(&tm) - zone_seconds;
    if (seconds < 0 || seconds > INT64_MAX / 1000000000 - 1) return false;
    *ns = seconds * 1000000000 + fraction_ns;
    return true;
}

bool time_reform(const char *text, const char *form, char *out, uint32_t out_size)
{
    struct tm tm;
    memset(&tm, 0, sizeof tm);
    tm.tm_mday = 1;
    tm.tm_year = 70;
    const char *end = strptime(text, form, &tm);
    if (end == NULL || *end != 0) return false;

    const long zone_seconds = tm.tm_gmtoff;
    const int day = tm.tm_mday;
    time_t seconds = timegm(&tm);
    if (tm.tm_mday != day) return false; /* 31 April */
    seconds -= zone_seconds;
    if (gmtime_r(&seconds, &tm) == NULL) return false;
    const int size = snprintf(
        out,
        out_size,
        "%04d-%02d-%02dT%02d:%02d:%02dZ",
        tm.tm_year + 1900,
        tm.tm_mon + 1,
        tm.tm_mday,
        tm.tm_hour,
        tm.tm_min,
        tm.tm_sec
    );
    return size > 0 && (uint32_t)size < out_size;
}
