package wire

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"cove/engine/listing"
	"cove/errdefs"
)

// Bool is docker's reading of a parameter: what is set and not 0, no, false or none.
func Bool(q url.Values, name string) bool { return Truth(q.Get(name)) }

// Truth is Bool of a value. Some clients write it as their language does: False.
func Truth(text string) bool {
	text = strings.ToLower(strings.TrimSpace(text))
	return !slices.Contains([]string{"", "0", "no", "false", "none"}, text)
}

// BoolOr is Bool, and what a parameter is that is not there.
func BoolOr(q url.Values, name string, missing bool) bool {
	if !q.Has(name) {
		return missing
	}
	return Bool(q, name)
}

// Int reads a parameter; missing is what one is that is not there.
func Int(q url.Values, name string, missing int) (int, error) {
	if q.Get(name) == "" {
		return missing, nil
	}
	n, err := strconv.Atoi(q.Get(name))
	if err != nil {
		return 0, errdefs.Errorf(errdefs.ErrInvalid, "the parameter %s: %q is no number", name, q.Get(name))
	}
	return n, nil
}

// Filters reads the parameter filters, in both of its forms: {"key":{"value":true}},
// which docker's clients send, and the older {"key":["value"]}.
func Filters(q url.Values) (map[string][]string, error) {
	text := q.Get("filters")
	if text == "" {
		return nil, nil
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "invalid filter: %w", err)
	}
	out := make(map[string][]string, len(raw))
	for key, value := range raw {
		var set map[string]bool
		var list []string
		if json.Unmarshal(value, &set) == nil {
			for v, on := range set {
				if on {
					list = append(list, v)
				}
			}
			slices.Sort(list)
		} else if err := json.Unmarshal(value, &list); err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid,
				"invalid filter %q: want {\"VALUE\": true} or [\"VALUE\"]", key)
		}
		if len(list) > 0 {
			out[key] = list
		}
	}
	return out, nil
}

// Moment reads docker's times: seconds since 1970, with a fraction, or what people
// type. Nothing is the zero time.
func Moment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	seconds, fraction, _ := strings.Cut(text, ".")
	if s, err := strconv.ParseInt(seconds, 10, 64); err == nil {
		nano, err := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
		if err == nil {
			return time.Unix(s, nano), nil
		}
	}
	return listing.Moment(text, now)
}
