package task

import (
	"context"
	"path/filepath"

	"cove/runner/foreign"
)

// createForeign has another runtime create the container, and completes its network.
func (t *Task) createForeign(ctx context.Context, r Request) (err error) {
	t.Foreign, t.Process, err = foreign.Create(ctx, foreign.Request{
		Runtime: *r.Runtime, ID: r.ID, Dir: filepath.Join(r.Files, "runtime"),
		Spec: t.Spec, Root: r.Root, Stacks: r.Stacks,
		Streams: foreign.Streams{
			Stdin: r.Stdin, Stdout: r.Stdout, Stderr: r.Stderr, Terminal: t.Spec.Process.Terminal, Size: r.Size,
		},
	})
	if err != nil {
		return err
	}
	t.Group = t.Group.Led(t.Process.Pid())
	return t.wired(ctx, r, t.Process.Pid())
}
