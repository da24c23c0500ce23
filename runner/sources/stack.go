package sources

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/layers/tree"
	"cove/runner/record"
	"cove/sandbox/files"
	"cove/sandbox/plan"
)

// stack has a mount of the spec show several directories: an image's layers, or one
// that takes what the container writes over one that is only read.
func (t *Taken) stack(dir record.Dir, at *specs.Mount, m record.Mounted, n int) error {
	s := files.Stack{Mount: *m.Stack, Subpath: m.Subpath, Name: m.Image}
	if s.Name == "" {
		s.Name = m.Source
	}
	if m.Fresh {
		own := dir.Path(overlays + "/" + strconv.Itoa(n))
		s.Mount.Upper, s.Mount.Work = path.Join(own, "upper"), path.Join(own, "work")
		if err := makeUpper(own, s); err != nil {
			return err
		}
	}
	key := plan.Stacked + string(m.Type) + m.Target
	if t.Stacks == nil {
		t.Stacks = map[string]files.Stack{}
	}
	t.Stacks[key] = s
	*at = specs.Mount{Destination: at.Destination, Type: "bind", Source: key, Options: []string{"bind", "rprivate"}}
	if m.ReadOnly {
		at.Options = append(at.Options, "ro")
	}
	return nil
}

// overlays is the directory of a container that takes what it writes to stacks.
const overlays = "overlays"

// makeUpper makes the empty directory that is written to. An overlay shows its owner
// and mode at the top.
func makeUpper(own string, s files.Stack) error {
	if err := os.RemoveAll(own); err != nil {
		return err
	}
	for _, dir := range []string{s.Mount.Upper, s.Mount.Work} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	lower, err := tree.Open(s.Mount.Lower[0])
	if err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	defer unix.Close(lower)
	upper, err := tree.Open(s.Mount.Upper)
	if err != nil {
		return err
	}
	defer unix.Close(upper)
	if err := tree.CopyMeta(lower, upper); err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	st, err := tree.Fstat(lower)
	if err != nil {
		return err
	}
	if uid, gid, ok := s.Mount.IDMap.Outside(st.Uid, st.Gid); ok {
		return unix.Fchown(upper, int(uid), int(gid))
	}
	return nil
}

// dropOverlays throws away what a container wrote that was not to be kept.
func dropOverlays(dir record.Dir, cfg record.Config) error {
	if !slices.ContainsFunc(cfg.Mounts, func(m record.Mounted) bool { return m.Fresh }) {
		return nil
	}
	err := os.RemoveAll(dir.Path(overlays))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
