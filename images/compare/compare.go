package compare

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"

	"github.com/opencontainers/go-digest"

	"cove/content"
	"cove/images/image"
)

// Kind is what happened to a file, by docker's letters.
type Kind string

// The kinds.
const (
	Added   Kind = "A"
	Changed Kind = "C"
	Deleted Kind = "D"
)

// Change is a file in which two images differ.
type Change struct {
	Kind Kind   `json:"kind"`
	Path string `json:"path"` // with a slash before it
	// Before and After are the file; nil where it is not.
	Before *File `json:"before,omitempty"`
	After  *File `json:"after,omitempty"`
	// Details say what of a changed file differs.
	Details []Detail `json:"details,omitempty"`
}

// Detail is one thing in which a file differs.
type Detail struct {
	What   string `json:"what"` // type, mode, owner, size, content, link, device, attribute NAME, time
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// Options choose what is compared.
type Options struct {
	// Times compares when files were modified; a directory's is never compared, which
	// changes with each file that is made in it.
	Times bool
}

// Diff is in what two images differ.
type Diff struct {
	Before digest.Digest `json:"before"` // of the manifests
	After  digest.Digest `json:"after"`
	Config []Detail      `json:"config"`
	Files  []Change      `json:"files"`
}

// Same says that they do not differ.
func (d Diff) Same() bool { return len(d.Config) == 0 && len(d.Files) == 0 }

// Both compares two images whose layers are all in the store.
func (o Options) Both(ctx context.Context, blobs content.Provider, was, now image.Image) (Diff, error) {
	d := Diff{
		Before: was.Descriptor.Digest, After: now.Descriptor.Digest,
		Config: []Detail{}, Files: []Change{},
	}
	if d.Before == d.After {
		return d, nil
	}
	config, err := Configs(was.RawConfig, now.RawConfig)
	if err != nil {
		return d, err
	}
	files, err := Images(ctx, blobs, was.Layers, now.Layers)
	if err != nil {
		return d, err
	}
	d.Config = append(d.Config, config...)
	d.Files = append(d.Files, o.Files(files[0], files[1])...)
	return d, nil
}

// Files are the changes from one image's files to another's, by path.
func (o Options) Files(before, after Files) (all []Change) {
	for _, name := range either(before, after) {
		was, had := before[name]
		is, has := after[name]
		c := Change{Path: "/" + name}
		switch {
		case !had:
			c.Kind, c.After = Added, &is
		case !has:
			c.Kind, c.Before = Deleted, &was
		default:
			if c.Details = o.details(was, is); c.Details == nil {
				continue
			}
			c.Kind, c.Before, c.After = Changed, &was, &is
		}
		all = append(all, c)
	}
	return all
}

// either are the keys that one of two maps has, or both, in order.
func either[M ~map[string]V, V any](a, b M) []string {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(keys)
	return slices.Compact(keys)
}

// details say in what two files differ.
func (o Options) details(was, is File) (all []Detail) {
	note := func(what, before, after string) {
		if before != after {
			all = append(all, Detail{what, before, after})
		}
	}
	note("type", was.Type(), is.Type())
	note("mode", was.Permissions(), is.Permissions())
	note("owner", owner(was), owner(is))
	note("size", size(was), size(is))
	if was.Size == is.Size {
		note("content", short(was), short(is))
	}
	note("link", was.Link, is.Link)
	note("device", was.Device, is.Device)
	for _, key := range either(was.Attributes, is.Attributes) {
		note("attribute "+key, quoted(was.Attributes, key), quoted(is.Attributes, key))
	}
	if o.Times && !was.Mode.IsDir() {
		const layout = "2006-01-02T15:04:05.999999999Z"
		note("time", was.Modified.Format(layout), is.Modified.Format(layout))
	}
	return all
}

// Type is what kind of file it is, in a word.
func (f File) Type() string {
	switch f.Mode.Type() {
	case 0:
		return "file"
	case fs.ModeDir:
		return "directory"
	case fs.ModeSymlink:
		return "symlink"
	case fs.ModeNamedPipe:
		return "pipe"
	case fs.ModeSocket:
		return "socket"
	}
	return "device"
}

// Permissions are as chmod takes them: "0755".
func (f File) Permissions() string {
	bits := uint32(f.Mode.Perm())
	for i, special := range []bool{
		f.Mode&fs.ModeSticky != 0, f.Mode&fs.ModeSetgid != 0, f.Mode&fs.ModeSetuid != 0,
	} {
		if special {
			bits |= 0o1000 << i
		}
	}
	return fmt.Sprintf("%04o", bits)
}

func owner(f File) string { return fmt.Sprintf("%d:%d", f.UID, f.GID) }

func size(f File) string {
	if f.Digest == "" {
		return ""
	}
	return strconv.FormatInt(f.Size, 10)
}

// short is the beginning of the digest of a file's bytes.
func short(f File) string {
	const shown = 12
	if f.Digest == "" {
		return ""
	}
	return f.Digest.Encoded()[:shown]
}

// quoted is an attribute as it can be shown; "" where there is none.
func quoted(attributes map[string][]byte, key string) string {
	value, ok := attributes[key]
	if !ok {
		return ""
	}
	return strconv.QuoteToASCII(string(value))
}
