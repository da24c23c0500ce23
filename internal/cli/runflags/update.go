package runflags

import (
	"slices"

	"github.com/spf13/pflag"

	"cove/engine/containers"
	"cove/engine/runspec"
	"cove/engine/runspec/parse"
	"cove/errdefs"
)

// UpdateFlags are those of run that a container's update has.
type UpdateFlags struct {
	limits  limitFlags
	restart string
	// add and remove are published ports.
	add, remove []string
	set         *pflag.FlagSet
	own         map[string]bool
}

// Register adds the flags.
func (f *UpdateFlags) Register(fs *pflag.FlagSet) {
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.limits.register(all)
	for _, name := range []string{
		"memory", "memory-swap", "memory-reservation", "cpus", "cpu-period", "cpu-quota", "cpu-rt-period",
		"cpu-rt-runtime", "cpu-shares", "cpuset-cpus", "cpuset-mems", "blkio-weight", "pids-limit",
	} {
		fs.AddFlag(all.Lookup(name))
	}
	fs.StringVar(&f.restart, "restart", "", "start it again: no, on-failure[:N], always, unless-stopped")
	fs.StringArrayVar(&f.add, "publish-add", nil, "publish one more port: [[IP:]HOSTPORT:]PORT[/PROTOCOL]")
	fs.StringArrayVar(&f.remove, "publish-rm", nil, "publish a port no more: [[IP:]HOSTPORT:]PORT[/PROTOCOL]")
	f.set, f.own = fs, map[string]bool{}
	fs.VisitAll(func(flag *pflag.Flag) { f.own[flag.Name] = true })
}

// Options are what the flags ask for; none at all is errdefs.ErrInvalid.
func (f *UpdateFlags) Options() (containers.UpdateOptions, error) {
	given := false // one of these, and not one that every command has
	f.set.Visit(func(set *pflag.Flag) { given = given || f.own[set.Name] })
	if !given {
		return containers.UpdateOptions{}, errdefs.Errorf(errdefs.ErrInvalid,
			"you must provide one or more flags when using this command: what is to change")
	}
	var o runspec.Options
	if err := f.limits.parse(&o); err != nil {
		return containers.UpdateOptions{}, err
	}
	out := containers.UpdateOptions{Resources: o.Resources, Restart: f.restart}
	add, err := parseAll(f.add, parse.Ports)
	if err != nil {
		return out, err
	}
	remove, err := parseAll(f.remove, parse.Ports)
	out.Publish, out.Unpublish = slices.Concat(add...), slices.Concat(remove...)
	return out, err
}
