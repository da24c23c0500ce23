package command

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Until reads when something ends: "never" or "", a duration from now as "90d" or
// "12h", or a time as "2027-01-31T12:00:00Z".
func Until(text string, now time.Time) (time.Time, error) {
	if text == "" || text == "never" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 {
			return now.AddDate(0, 0, n), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(d), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || !at.After(now) {
		return at, fmt.Errorf(
			"%q is no time to come: use a duration as 90d or 12h, a time as 2027-01-31T12:00:00Z, or never", text)
	}
	return at, nil
}

// When is a time as tables show it; none is a dash.
func When(t *time.Time) string {
	if t == nil {
		return Moment(time.Time{})
	}
	return Moment(*t)
}

// Moment is a time as tables show it; none is a dash.
func Moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return Stamp(t)
}
