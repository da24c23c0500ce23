package events

import (
	"maps"
	"slices"
	"strings"

	"cove/errdefs"
)

// Filter chooses events: docker's conditions, by key. Values of one key are
// alternatives, but those of label, which must all hold. The zero value is every
// event.
type Filter map[string][]string

// conditions say what a value of a key means.
var conditions = map[string]func(e Event, value string) bool{
	"container": func(e Event, v string) bool { return e.of(Container, v) || e.Attributes["container"] == v },
	"event":     func(e Event, v string) bool { return e.Action == v || prefixed(e.Action, v) },
	"image":     Event.ofImage,
	"label":     func(e Event, v string) bool { return hasLabel(e.Attributes, v) },
	"network":   func(e Event, v string) bool { return e.of(Network, v) },
	"scope":     func(_ Event, v string) bool { return v == "local" },
	"type":      func(e Event, v string) bool { return string(e.Type) == v },
	"volume":    func(e Event, v string) bool { return e.of(Volume, v) },
	// What there is of these happens in swarms and to daemons.
	"config": never, "daemon": never, "node": never, "plugin": never, "secret": never, "service": never,
}

func never(Event, string) bool { return false }

// of reports whether it happened to one of a type, by the beginning of its ID or name.
func (e Event) of(t Type, ref string) bool {
	return e.Type == t && (strings.HasPrefix(e.ID, ref) || strings.HasPrefix(e.Attributes["name"], ref))
}

// prefixed reports whether an action that tells more after its name, as exec_start
// its command, has that name.
func prefixed(action, name string) bool {
	switch name {
	case ExecCreate, ExecStart, HealthStatus:
		return strings.HasPrefix(action, name+":")
	}
	return false
}

// ofImage reports whether it happened to an image, or to a container of one: by ID, by
// name, or by name without a tag.
func (e Event) ofImage(ref string) bool {
	names := []string{e.Attributes["image"]}
	if e.Type == Image {
		names = []string{e.ID, e.Attributes["name"]}
	}
	return slices.ContainsFunc(names, func(n string) bool {
		return n != "" && (n == ref || untagged(n) == ref)
	})
}

func untagged(name string) string {
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		return name[:i]
	}
	return name
}

func hasLabel(attributes map[string]string, want string) bool {
	key, value, hasValue := strings.Cut(want, "=")
	got, ok := attributes[key]
	return ok && (!hasValue || got == value)
}

// Check refuses conditions that do not exist, with errdefs.ErrInvalid.
func (f Filter) Check() error {
	for _, key := range slices.Sorted(maps.Keys(f)) {
		if conditions[key] == nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "invalid filter '%s': there are %s", key,
				strings.Join(slices.Sorted(maps.Keys(conditions)), ", "))
		}
	}
	return nil
}

// Matches reports whether an event is chosen.
func (f Filter) Matches(e Event) bool {
	for key, values := range f {
		holds := func(v string) bool { return conditions[key](e, v) }
		all := key == "label" && !slices.ContainsFunc(values, func(v string) bool { return !holds(v) })
		if !all && (key == "label" || !slices.ContainsFunc(values, holds)) {
			return false
		}
	}
	return true
}
