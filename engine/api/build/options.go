package build

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	control "github.com/moby/buildkit/api/services/control"

	"cove/engine/api/buildkit/frontend"
	"cove/engine/api/wire"
	"cove/engine/builds"
	"cove/engine/runspec/parse"
	"cove/errdefs"
)

// options are a build as the query says it.
type options struct {
	builds.Options
	id, version, session string
	quiet                bool
	exporters            []*control.Exporter
}

// clientSession is the remote of a client that offers its files on a session.
const clientSession = "client-session"

// known are the parameters, all of them: one that is overlooked makes another image
// than the one that was asked for.
var known = map[string]func(o *options, v string) error{
	"dockerfile": func(o *options, v string) error { o.Dockerfile = v; return nil },
	"t":          func(*options, string) error { return nil }, // may repeat: read has it
	"remote": func(o *options, v string) error {
		if v == "" {
			return nil
		}
		if o.Context = v; v == clientSession {
			return nil
		}
		return frontend.NoDirectory(v)
	},
	"q":       func(o *options, v string) error { o.quiet = wire.Truth(v); return nil },
	"nocache": func(o *options, v string) error { o.NoCache = wire.Truth(v); return nil },
	"pull":    func(o *options, v string) error { o.Pull = wire.Truth(v); return nil },
	"target":  func(o *options, v string) error { o.Target = v; return nil },
	"buildid": func(o *options, v string) error { o.id = v; return nil },
	"session": func(o *options, v string) error { o.session = v; return nil },
	"version": func(o *options, v string) error {
		if o.version = v; v != "" && v != "1" && v != "2" {
			return errdefs.Errorf(errdefs.ErrInvalid, "invalid version %q: want 1, or 2 for BuildKit's", v)
		}
		return nil
	},
	"networkmode": network,
	"platform": func(o *options, v string) (err error) {
		if v != "" {
			o.Platforms, err = builds.ParsePlatforms(strings.Split(v, ","))
		}
		return err
	},
	"buildargs": arguments,
	"labels":    func(o *options, v string) error { return decode(v, &o.Labels) },
	"cachefrom": caches, "extrahosts": hosts, "ulimits": ulimits, "outputs": outputs,
	"cgroupparent": func(o *options, v string) error { o.CgroupParent = v; return nil },
	"cpusetcpus":   func(o *options, v string) error { o.Resources.Cpuset = v; return nil },
	"cpusetmems":   func(o *options, v string) error { o.Resources.Memset = v; return nil },
	"memory":       func(o *options, v string) error { return number(v, &o.Resources.Memory) },
	"memswap":      func(o *options, v string) error { return number(v, &o.Resources.MemorySwap) },
	"cpuperiod":    func(o *options, v string) error { return number(v, &o.Resources.CPUPeriod) },
	"cpuquota":     func(o *options, v string) error { return number(v, &o.Resources.CPUQuota) },
	"shmsize":      func(o *options, v string) error { return number(v, &o.Resources.ShmSize) },
	"cpushares": func(o *options, v string) error {
		var n int64
		err := number(v, &n)
		o.Resources.CPUShares = uint64(max(n, 0))
		return err
	},
	// What is always so: containers of RUN are removed, whatever happens to them.
	"rm": func(*options, string) error { return nil }, "forcerm": func(*options, string) error { return nil },
	"squash":      func(o *options, v string) error { o.Squash = wire.Truth(v); return nil },
	"isolation":   only("", "default"),
	"securityopt": only("", "null", "[]"),
}

// read reads the parameters.
func read(q url.Values) (*options, error) {
	o := &options{}
	o.Context, o.Names = "-", slices.DeleteFunc(slices.Clone(q["t"]), func(name string) bool { return name == "" })
	for _, key := range slices.Sorted(maps.Keys(q)) {
		set, ok := known[key]
		if !ok {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "the parameter %q of a build is not known", key)
		}
		value := q.Get(key)
		if key == "extrahosts" { // each of them is a parameter, or all are one with commas
			value = strings.Join(q[key], ",")
		}
		if err := set(o, value); err != nil {
			return nil, errdefs.Errorf(errdefs.KindOf(err), "parameter %s=%s: %w", key, value, err)
		}
	}
	r := o.Resources
	limited := len(r.Ulimits) > 0 || r.ShmSize+r.Memory+r.CPUPeriod+r.CPUQuota > 0 || r.Cpuset+r.Memset != ""
	if o.version == "2" && limited {
		return nil, errdefs.Errorf(errdefs.ErrUnsupported, "limits are not supported in builds of version 2")
	}
	if o.version == "2" && o.session == "" {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "a build of version 2 needs a session")
	}
	if o.version != "2" && (o.session != "" || o.exporters != nil) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "session and outputs are of builds of version 2")
	}
	return o, nil
}

func only(values ...string) func(*options, string) error {
	return func(_ *options, v string) error {
		if !slices.Contains(values, v) {
			return errdefs.Errorf(errdefs.ErrUnsupported, "this is not supported")
		}
		return nil
	}
}

func decode(text string, into any) error {
	if text == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "%w", err)
	}
	return nil
}

func number(text string, into *int64) (err error) {
	if text == "" {
		return nil
	}
	if *into, err = strconv.ParseInt(text, 10, 64); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "want a number")
	}
	return nil
}

func network(o *options, v string) error {
	if v != "default" && v != "bridge" {
		o.Network = v
	}
	return nil
}

// arguments leaves out those without a value, which docker takes from nowhere here.
func arguments(o *options, text string) error {
	var all map[string]*string
	err := decode(text, &all)
	o.BuildArgs = map[string]string{}
	for name, value := range all {
		if value != nil {
			o.BuildArgs[name] = *value
		}
	}
	return err
}

func caches(o *options, text string) error {
	var all []string
	err := decode(text, &all)
	for _, ref := range all {
		o.CacheFrom = append(o.CacheFrom, builds.Cache{Type: builds.CacheRegistry, Ref: ref})
	}
	return err
}

func hosts(o *options, text string) error {
	for one := range strings.SplitSeq(text, ",") {
		if one == "" {
			continue
		}
		h, err := parse.Host(one)
		if err != nil {
			return err
		}
		o.Hosts = append(o.Hosts, builds.Host{Name: h.Name, IP: h.IP})
	}
	return nil
}

func ulimits(o *options, text string) error {
	var all []struct {
		Name       string
		Hard, Soft int64
	}
	if err := decode(text, &all); err != nil {
		return err
	}
	for _, u := range all {
		limit, err := parse.Ulimit(fmt.Sprintf("%s=%d:%d", u.Name, u.Soft, u.Hard))
		if err != nil {
			return err
		}
		o.Resources.Ulimits = append(o.Resources.Ulimits, limit)
	}
	return nil
}

func outputs(o *options, text string) error {
	var all []struct {
		Type  string
		Attrs map[string]string
	}
	err := decode(text, &all)
	for _, e := range all {
		o.exporters = append(o.exporters, &control.Exporter{Type: e.Type, Attrs: e.Attrs})
	}
	return err
}
