// Package banner is what an operator says to everybody who opens a page, for a time:
// that the registry moves house on Friday.
package banner

import (
	"encoding/json"
	"strings"
	"time"

	"cove/errdefs"
)

// Banner is a text above every page, before and after signing in.
type Banner struct {
	// Message is the text; "" is none.
	Message string `yaml:"message"`
	// Kind is info, success, warning or danger; "" is info.
	Kind string `yaml:"type"`
	// From and Until bound when it is shown: a day, as 2026-12-01, which counts whole
	// and in UTC, or a time, as 2026-12-01T18:00:00+01:00; "" is without a bound.
	From  string `yaml:"from"`
	Until string `yaml:"until"`
}

// maxMessage bounds the text, in bytes.
const maxMessage = 500

// kinds are Harbor's.
var kinds = map[string]bool{"": true, "info": true, "success": true, "warning": true, "danger": true}

// Check refuses what cannot be.
func (b Banner) Check() error {
	invalid := func(format string, args ...any) error {
		return errdefs.Errorf(errdefs.ErrInvalid, "config: banner: "+format, args...)
	}
	switch {
	case !kinds[b.Kind]:
		return invalid("type %q is none of info, success, warning and danger", b.Kind)
	case len(b.Message) > maxMessage:
		return invalid("the message has %d bytes; at most %d", len(b.Message), maxMessage)
	case strings.TrimSpace(b.Message) == "" && b != (Banner{}):
		return invalid("there is no message")
	}
	from, err := moment(b.From, false)
	if err != nil {
		return invalid("from: %w", err)
	}
	until, err := moment(b.Until, true)
	if err != nil {
		return invalid("until: %w", err)
	}
	if !from.IsZero() && !until.IsZero() && !from.Before(until) {
		return invalid("it ends (%s) before it begins (%s)", b.Until, b.From)
	}
	return nil
}

// moment reads a bound; a day that is the last one ends with the next.
func moment(text string, last bool) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		if last {
			day = day.AddDate(0, 0, 1)
		}
		return day, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, errdefs.Errorf(errdefs.ErrInvalid,
			"%q is no day, as 2026-12-01, and no time, as 2026-12-01T18:00:00+01:00", text)
	}
	return at, nil
}

// At is the banner that is shown at a time; nil is none.
func (b Banner) At(now time.Time) *Banner {
	from, err := moment(b.From, false)
	until, bad := moment(b.Until, true)
	if b.Message == "" || err != nil || bad != nil || now.Before(from) || !until.IsZero() && !now.Before(until) {
		return nil
	}
	return &b
}

// Bad says that it is a warning, or worse.
func (b Banner) Bad() bool { return b.Kind == "warning" || b.Kind == "danger" }

// Harbor is the banner as Harbor's clients read it: JSON, in a text.
func (b Banner) Harbor() string {
	if b.Message == "" {
		return ""
	}
	day := func(text string, last bool) string {
		at, err := moment(text, last)
		if text == "" || err != nil {
			return ""
		}
		if last {
			at = at.Add(-time.Second)
		}
		return at.UTC().Format("01/02/2006")
	}
	kind := b.Kind
	if kind == "" {
		kind = "info"
	}
	text, err := json.Marshal(map[string]any{
		"message": b.Message, "type": kind, "closable": false,
		"fromDate": day(b.From, false), "toDate": day(b.Until, true),
	})
	if err != nil {
		return ""
	}
	return string(text)
}
