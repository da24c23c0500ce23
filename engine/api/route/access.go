package route

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cove/errdefs"
)

// Access is what the callers of one socket may do.
type Access struct {
	given []Permission
	// labels are KEY=VALUE: whoever has one may do to what bears it whatever does not
	// reach beyond it.
	labels []string
}

// ParseAccess reads what may be given: a Permission, or label=KEY=VALUE, several with
// commas between them. Nothing is all.
func ParseAccess(texts []string) (*Access, error) {
	a := &Access{}
	for _, text := range texts {
		for one := range strings.SplitSeq(text, ",") {
			label, isLabel := strings.CutPrefix(one, "label=")
			switch {
			case isLabel && strings.Index(label, "=") > 0:
				a.labels = append(a.labels, label)
			case one != "" && slices.Contains(Permissions(), Permission(one)):
				a.given = append(a.given, Permission(one))
			default:
				return nil, errdefs.Errorf(errdefs.ErrInvalid,
					"%q is no permission: want read, events, images, build, label=KEY=VALUE or all", one)
			}
		}
	}
	if len(texts) == 0 {
		a.given = []Permission{All}
	}
	return a, nil
}

// May reports whether a permission was given.
func (a *Access) May(p Permission) bool {
	return p == Ping || slices.Contains(a.given, p) || slices.Contains(a.given, All)
}

// Sees reports whether what has these labels may be shown to whoever may not read.
func (a *Access) Sees(labels map[string]string) bool {
	return a.May(Read) || a.bears(labels)
}

func (a *Access) bears(labels map[string]string) bool {
	return slices.ContainsFunc(a.labels, func(want string) bool {
		key, value, _ := strings.Cut(want, "=")
		have, ok := labels[key]
		return ok && have == value
	})
}

// Require is an error that says which permission was missing, for handlers whose
// need depends on what is asked.
func (a *Access) Require(p Permission, what string) error {
	if a.May(p) {
		return nil
	}
	return errdefs.Errorf(errdefs.ErrDenied,
		"permission denied: %s needs the permission %q, which this socket does not have "+
			"(it has: %s)", what, p, a)
}

func (a *Access) check(ctx context.Context, r Route, req *Request) error {
	if a.May(r.Needs) || r.Narrow && len(a.labels) > 0 {
		return nil
	}
	if r.Labels != nil && len(a.labels) > 0 {
		labels, err := r.Labels(ctx, req)
		if err != nil {
			return err
		}
		if a.bears(labels) {
			return nil
		}
	}
	return a.Require(r.Needs, fmt.Sprintf("%s %s", r.Method, r.Path))
}

// String is as it was typed.
func (a *Access) String() string {
	var all []string
	for _, p := range a.given {
		all = append(all, string(p))
	}
	for _, l := range a.labels {
		all = append(all, "label="+l)
	}
	return strings.Join(all, ",")
}
