package containers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cove/engine/runspec"
	"cove/errdefs"
	"cove/runner/record"
)

// sharing is what may be said of the namespace of one kind.
type sharing struct {
	kind   string
	asked  *record.Sharing
	words  []record.Sharing
	joins  bool // container:NAME too
	others string
}

// checkShared refuses what a namespace cannot be, and replaces the names of
// containers by their ids, so that a rename does not break it.
func (cs *Containers) checkShared(ctx context.Context, o *runspec.Options) error {
	s := &o.Shared
	for _, k := range []sharing{
		{"PID", &s.PID, []record.Sharing{record.Host}, true, ""},
		{
			"IPC", &s.IPC, []record.Sharing{record.Host, record.Private, record.Shareable, record.NoShm}, true, "",
		},
		{"UTS", &s.UTS, []record.Sharing{record.Host}, false, ""},
		{"cgroup namespace", &s.Cgroup, []record.Sharing{record.Host, record.Private}, false, ""},
		{"USER", &s.User, []record.Sharing{record.Host, record.Auto}, false, ""},
	} {
		if err := cs.checkSharing(ctx, k); err != nil {
			return err
		}
	}
	switch {
	case s.UTS == record.Host && o.Hostname != "":
		return errdefs.Errorf(errdefs.ErrInvalid, "conflicting options: hostname and the UTS mode")
	case s.UTS == record.Host && o.Domainname != "":
		return errdefs.Errorf(errdefs.ErrInvalid, "conflicting options: domainname and the UTS mode")
	case s.UTS == record.Host && sysctlOf(o, "kernel.hostname", "kernel.domainname"):
		return errdefs.Errorf(errdefs.ErrInvalid, "conflicting options: a name by sysctl and the UTS mode")
	case s.IPC == record.Host && sysctlOf(o, "kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."):
		return errdefs.Errorf(errdefs.ErrInvalid, "conflicting options: a limit of IPC by sysctl and the IPC mode host")
	}
	return nil
}

func sysctlOf(o *runspec.Options, prefixes ...string) bool {
	for name := range o.Resources.Sysctls {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			return true
		}
	}
	return false
}

func (cs *Containers) checkSharing(ctx context.Context, k sharing) error {
	name, joins := k.asked.Peer()
	switch {
	case *k.asked == "" || slices.Contains(k.words, *k.asked):
		return nil
	case !joins || !k.joins || name == "":
		return errdefs.Errorf(errdefs.ErrInvalid, "invalid %s mode %q: want %s%s", k.kind, *k.asked, k.list(), k.others)
	}
	c, err := cs.Container(ctx, name)
	if err != nil {
		return fmt.Errorf("%s mode %s: %w", k.kind, *k.asked, err)
	}
	*k.asked = record.OfContainer(c.ID())
	return nil
}

func (k sharing) list() string {
	var words []string
	for _, w := range k.words {
		words = append(words, string(w))
	}
	if k.joins {
		words = append(words, string(record.OfContainer("NAME")))
	}
	return strings.Join(words, ", ")
}
