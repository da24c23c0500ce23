package historycmd

import (
	"strings"
	"time"

	"cove/engine/builds"
	"cove/errdefs"
)

// filter chooses builds: each key must have one of its values, as docker's filters do.
type filter map[string][]string

func parseFilters(texts []string) (filter, error) {
	f := filter{}
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		if !ok || value == "" {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "--filter %q: want KEY=VALUE", text)
		}
		switch key {
		case "name", "id", "ref":
		case "status":
			switch value = strings.ToLower(value); value {
			case "running", "completed", "error", "canceled":
			default:
				return nil, errdefs.Errorf(errdefs.ErrInvalid,
					"--filter %s: want running, completed, error or canceled", text)
			}
		case "since", "until":
			if _, err := time.ParseDuration(value); err != nil {
				return nil, errdefs.Errorf(errdefs.ErrInvalid, "--filter %s: want a duration, as 24h", text)
			}
		default:
			return nil, errdefs.Errorf(errdefs.ErrInvalid,
				"--filter %s: want status, name, id, since or until", text)
		}
		f[key] = append(f[key], value)
	}
	return f, nil
}

func (f filter) match(r builds.Record, now time.Time) bool {
	for key, values := range f {
		any := false
		for _, value := range values {
			any = any || matchOne(key, value, r, now)
		}
		if !any {
			return false
		}
	}
	return true
}

func matchOne(key, value string, r builds.Record, now time.Time) bool {
	switch key {
	case "status":
		return strings.EqualFold(string(r.Status), value)
	case "name":
		return strings.Contains(r.Name, value)
	case "id", "ref":
		return strings.HasPrefix(r.ID, value)
	}
	age, _ := time.ParseDuration(value) // parseFilters has parsed it
	if key == "since" {
		return now.Sub(r.Started) <= age
	}
	return now.Sub(r.Started) > age
}
