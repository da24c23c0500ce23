package builder

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestReportedCaches changes what people reported of other builders' caches, by the project
// and number of the report: what is known then are all steps if and only if the change
// means nothing.
func TestReportedCaches(t *testing.T) {
	t.Parallel()
	in := func(fn func(dir string) error) func(*world, *Request) error {
		return func(w *world, _ *Request) error { return fn(w.dir) }
	}
	text := func(name, text string) func(*world, *Request) error {
		return in(func(d string) error { return os.WriteFile(filepath.Join(d, name), []byte(text), 0o644) })
	}
	touch := func(name string) func(*world, *Request) error {
		return in(func(d string) error {
			return os.Chtimes(filepath.Join(d, name), time.Unix(5, 0), time.Unix(5, 0))
		})
	}
	args := func(kv map[string]string) func(*world, *Request) error {
		return func(_ *world, r *Request) error { r.BuildArgs = kv; return nil }
	}
	for _, h := range []hunted{
		{
			name: "buildkit-4780: a file of the outer of two mounts",
			df:   "RUN --mount=target=/m/,source=.,rw --mount=target=/m/d/,source=./d,rw write x y", change: text("f", "edit"),
		},
		{
			name: "buildkit-4780: a file of the inner of two mounts",
			df:   "RUN --mount=target=/m/,source=d --mount=target=/m/s/,source=d/s write x y", change: text("d/s/b", "edit"),
		},
		{name: "buildkit-853: the second of two sources", df: "COPY f g /two/", change: text("g", "edit")},
		{name: "buildkit-894: names that begin alike", df: "COPY d/a d/a2* g /two/", change: text("d/a2.lock", "edit")},
		{name: "moby-38964: the last source of an ADD", df: "ADD f d g /two/", change: text("g", "edit")},
		{name: "buildah-6291: the time of a mounted file", df: "RUN --mount=source=f,target=/f write x y", change: touch("f"), hit: true},
		{name: "buildah-6291: the time of a copied file", df: "COPY f /f", change: touch("f"), hit: true},
		{
			name: "buildah-5560: a mount of another context", df: "RUN --mount=from=n,source=f,target=/f write x y",
			change: func(w *world, r *Request) error {
				dir := w.t.TempDir()
				r.Contexts = map[string]string{"n": dir}
				return os.WriteFile(filepath.Join(dir, "f"), []byte("F"), 0o644)
			}, hit: true,
		},
		{name: "buildah-2992: an argument that is given again", df: "ARG N\nRUN write a $N", change: args(map[string]string{}), hit: true},
		{name: "podman-9636: an argument as its default, before commands", df: "RUN write a b\nARG V=3.8\nRUN write c $V", change: args(map[string]string{"V": "3.8"}), hit: true},
		{name: "podman-9636: another, after commands", df: "RUN write a b\nARG V=3.8", change: args(map[string]string{"V": "3.9"}), hit: true},
		{name: "buildah-2848: an argument in a heredoc", df: "ARG V=1\nRUN <<E\nwrite c $V\nE", change: args(map[string]string{"V": "2"})},
		{
			name: "buildah-4950: a label of a build of several stages", df: "RUN write a b\nFROM base\nCOPY --from=0 /a /a\nRUN write c d",
			change: func(_ *world, r *Request) error { r.Labels = map[string]string{"k": "v"}; return nil }, hit: true,
		},
		{
			name: "buildkit-2012: a new checkout of all", df: "COPY . /all\nRUN write a b",
			change: func(w *world, r *Request) error {
				r.Context = w.t.TempDir()
				return os.CopyFS(r.Context, os.DirFS(w.dir))
			}, hit: true,
		},
		{
			name: "moby-17906: a file deep in names that repeat", df: "COPY d /dna/d\nCOPY d/s /dna/s",
			change: text("d/s/b", "edit"),
		},
		{name: "a file that comes between others", df: "COPY d/ /d/", change: text("d/aa", "new")},
		{
			name: "a link's target, which is not copied", df: "COPY l /l/\nRUN write a b",
			change: text("f", "edit"), // COPY of a link is of what it points to
		},
		{
			name: "a mode that git does not keep", df: "COPY f /f",
			change: in(func(d string) error { return os.Chmod(filepath.Join(d, "f"), 0o664) }),
		},
		{
			name: "a directory that became a link to one", df: "COPY d/s /s",
			change: in(func(d string) error {
				return errors.Join(os.Rename(filepath.Join(d, "d/s"), filepath.Join(d, "other")), os.Symlink("../other", filepath.Join(d, "d/s")))
			}), hit: true,
		},
	} {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			h.hunt(t)
		})
	}
}
