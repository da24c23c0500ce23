package networks

import (
	"slices"
	"strconv"
	"strings"

	"cove/engine/listing"
	"cove/errdefs"
	"cove/network"
)

// Filter chooses networks: key=value conditions. Values of one key are
// alternatives, but those of label, which must all hold. The keys are docker's.
type Filter map[string][]string

var conditions = map[string]func(n Network, value string) bool{
	"name":   func(n Network, v string) bool { return strings.Contains(n.Name, v) },
	"id":     func(n Network, v string) bool { return strings.Contains(n.ID, v) },
	"driver": func(n Network, v string) bool { return n.Driver == v },
	"scope":  func(n Network, v string) bool { return n.Scope == v },
	"label":  func(n Network, v string) bool { return listing.HasLabel(n.Labels, v) },
	"type": func(n Network, v string) bool {
		return (v == "builtin") == slices.Contains(network.Predefined(), n.Name)
	},
	"dangling": func(n Network, v string) bool {
		want, _ := strconv.ParseBool(v)
		return want == (len(n.Users) == 0 && !slices.Contains(network.Predefined(), n.Name))
	},
}

// check refuses conditions that do not exist, with errdefs.ErrInvalid.
func (f Filter) check() error {
	for key, values := range f {
		if conditions[key] == nil {
			return errdefs.Errorf(errdefs.ErrInvalid,
				"invalid filter '%s': there are dangling, driver, id, label, name, scope, type", key)
		}
		for _, v := range values {
			_, err := strconv.ParseBool(v)
			if key == "dangling" && err != nil || key == "type" && v != "builtin" && v != "custom" {
				return errdefs.Errorf(errdefs.ErrInvalid, "invalid filter '%s=%s': it cannot have that value", key, v)
			}
		}
	}
	return nil
}

func (f Filter) matches(n Network) bool {
	for key, values := range f {
		holds := func(v string) bool { return conditions[key](n, v) }
		if key == "label" {
			if slices.ContainsFunc(values, func(v string) bool { return !holds(v) }) {
				return false
			}
		} else if !slices.ContainsFunc(values, holds) {
			return false
		}
	}
	return true
}
