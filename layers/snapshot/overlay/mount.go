package overlay

import (
	"context"

	"cove/layers/mount"
)

// Mount mounts m, an overlay or a bind, on the directory dir.
func Mount(m mount.Mount, dir string) error { return todo() }

// Unmount undoes Mount.
func Unmount(dir string) error { return todo() }

// With calls fn with a path under which m's tree is found, and takes it away
// again after. The mount is in no one's mount table where the kernel can do
// that, so that a kill leaves nothing; the path is then below /proc/self/fd and
// means nothing to another process. Open it with os.OpenRoot.
func With(ctx context.Context, m mount.Mount, fn func(dir string) error) error { return todo() }
