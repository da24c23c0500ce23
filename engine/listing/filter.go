package listing

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"cove/engine/runspec/parse"
	"cove/errdefs"
	"cove/runner/record"
)

// Filter chooses containers; all conditions must hold. The zero value is every
// container.
type Filter struct {
	// Running leaves out what does not run; a Status filter overrides it.
	Running bool
	// Last keeps the newest n; 0 is all.
	Last int
	// Terms are key=value conditions, docker's. Values of one key are alternatives,
	// but those of label, which must all hold.
	Terms map[string][]string
}

// Ancestor is the condition on what image a container was made from. List wants IDs of
// images: who knows their names finds these.
const Ancestor = "ancestor"

// test says whether a condition holds for a container.
type test func(s Container) bool

// conditions make tests of values; what a value cannot be is errdefs.ErrInvalid.
var conditions = map[string]func(value string, created func(ref string) (time.Time, error)) (test, error){
	Ancestor: simple(func(s Container, v string) bool { return s.ImageID == v }),
	"before": func(v string, created func(string) (time.Time, error)) (test, error) {
		than, err := created(v)
		return func(s Container) bool { return s.Created.Before(than) }, err
	},
	"exited": exited,
	"expose": ports(func(s Container, port string) bool { return s.binds(port) || s.exposes(port) }),
	"health": oneOf(func(s Container, v string) bool { return cmp.Or(s.Condition, "none") == v },
		"none", record.Starting, record.Healthy, record.Unhealthy),
	"id":      simple(func(s Container, v string) bool { return v != "" && strings.HasPrefix(s.ID, v) }),
	"is-task": isTask,
	"label":   simple(func(s Container, v string) bool { return HasLabel(s.Labels, v) }),
	"name":    named,
	"network": simple(Container.onNetwork),
	"publish": ports(Container.publishes),
	"since": func(v string, created func(string) (time.Time, error)) (test, error) {
		than, err := created(v)
		return func(s Container) bool { return s.Created.After(than) }, err
	},
	// Removing is docker's, and never seen here.
	"status": oneOf(func(s Container, v string) bool { return string(s.State.Status) == v },
		string(record.Created), string(record.Restarting), string(record.Running), string(record.Paused),
		string(record.Exited), "removing", string(Dead)),
	"volume": simple(func(s Container, v string) bool {
		return slices.ContainsFunc(s.Mounts, func(m record.Mounted) bool {
			return m.Name == v || m.Source == v || m.Target == v
		})
	}),
}

type maker = func(value string, created func(ref string) (time.Time, error)) (test, error)

func simple(holds func(s Container, value string) bool) maker {
	return func(v string, _ func(string) (time.Time, error)) (test, error) {
		return func(s Container) bool { return holds(s, v) }, nil
	}
}

func oneOf(holds func(s Container, value string) bool, values ...string) maker {
	return func(v string, _ func(string) (time.Time, error)) (test, error) {
		if !slices.Contains(values, v) {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "there are %s",
				strings.Join(values, ", "))
		}
		return func(s Container) bool { return holds(s, v) }, nil
	}
}

// ports make a test of PORT[-PORT][/PROTOCOL], of which one has to hold.
func ports(holds func(s Container, port string) bool) maker {
	return func(v string, _ func(string) (time.Time, error)) (test, error) {
		all, err := parse.Expose(v)
		return func(s Container) bool {
			return slices.ContainsFunc(all, func(port string) bool { return holds(s, port) })
		}, err
	}
}

func exited(v string, _ func(string) (time.Time, error)) (test, error) {
	code, err := strconv.Atoi(v)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "want an exit code")
	}
	return func(s Container) bool { return s.State.Status == record.Exited && s.State.ExitCode == code }, nil
}

// isTask is of a swarm's containers, which none here is.
func isTask(v string, _ func(string) (time.Time, error)) (test, error) {
	yes, err := strconv.ParseBool(v)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "want true or false")
	}
	return func(Container) bool { return !yes }, nil
}

// named finds a regular expression in the name, with docker's slash before it or
// without.
func named(v string, _ func(string) (time.Time, error)) (test, error) {
	pattern, err := regexp.Compile(v)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "%w", err)
	}
	return func(s Container) bool { return pattern.MatchString(s.Name) || pattern.MatchString("/"+s.Name) }, nil
}

// publishes reports whether a port of the host, as 8080/tcp, leads to the container now.
func (c Container) publishes(port string) bool {
	return slices.ContainsFunc(c.Ports(), func(p Port) bool {
		return p.HostPort != 0 && strconv.Itoa(int(p.HostPort))+"/"+cmp.Or(p.Proto, "tcp") == port
	})
}

// binds reports whether a port of the container, as 80/tcp, was asked to be published.
func (c Container) binds(port string) bool {
	for _, p := range c.Network.Ports {
		if strconv.Itoa(int(p.ContainerPort))+"/"+cmp.Or(p.Proto, "tcp") == port {
			return true
		}
	}
	return false
}

func (c Container) exposes(port string) bool {
	if c.Asked == nil {
		return false
	}
	for have := range c.Asked.Image.ExposedPorts {
		if have == port || have+"/tcp" == port {
			return true
		}
	}
	return false
}

// compile makes one test of all conditions. created tells when a container was made.
// Last is for whoever counts.
func (f Filter) compile(created func(ref string) (time.Time, error)) (test, error) {
	var all []test
	if f.Running && f.Terms["status"] == nil && f.Terms["exited"] == nil && f.Last == 0 {
		// It may be that what is broken runs.
		all = append(all, func(s Container) bool { return s.Runs() || s.Broken != nil })
	}
	for _, key := range slices.Sorted(maps.Keys(f.Terms)) {
		of := conditions[key]
		if of == nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "invalid filter '%s': there are %s", key,
				strings.Join(slices.Sorted(maps.Keys(conditions)), ", "))
		}
		var some []test
		for _, v := range f.Terms[key] {
			holds, err := of(v, created)
			if err != nil {
				return nil, fmt.Errorf("invalid filter '%s=%s': %w", key, v, err)
			}
			some = append(some, holds)
		}
		if key == "label" {
			all = append(all, some...)
			continue
		}
		all = append(all, func(s Container) bool {
			return slices.ContainsFunc(some, func(holds test) bool { return holds(s) })
		})
	}
	return func(s Container) bool {
		return !slices.ContainsFunc(all, func(holds test) bool { return !holds(s) })
	}, nil
}
