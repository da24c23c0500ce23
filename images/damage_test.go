package images

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"cove/content"
	"cove/errdefs"
	"cove/images/image"
)

// damages are what may have happened to a blob's file.
var damages = map[string]func(path string, b []byte) error{
	"a bit flipped": func(path string, b []byte) error {
		b = bytes.Clone(b)
		b[len(b)/2] ^= 1
		return os.WriteFile(path, b, 0o600)
	},
	"cut short": func(path string, b []byte) error { return os.WriteFile(path, b[:len(b)/2], 0o600) },
	"empty":     func(path string, _ []byte) error { return os.WriteFile(path, nil, 0o600) },
	"grown":     func(path string, b []byte) error { return os.WriteFile(path, append(bytes.Clone(b), 0), 0o600) },
	"missing":   func(string, []byte) error { return nil },
	"a link": func(path string, b []byte) error {
		elsewhere := filepath.Join(filepath.Dir(path), "../../elsewhere")
		return errors.Join(os.WriteFile(elsewhere, b, 0o600), os.Symlink(elsewhere, path))
	},
	"a directory": func(path string, b []byte) error {
		return errors.Join(os.Mkdir(path, 0o755), os.WriteFile(filepath.Join(path, "f"), b, 0o600))
	},
}

// gone are the damages after which there is no blob: it is fetched by who needs all of an
// image, as one is that was built and pushed and never was here.
var gone = map[string]bool{"missing": true, "a link": true, "a directory": true}

// damaged is an image that was pulled, one of whose blobs is damaged then.
type damaged struct {
	t       *testing.T
	store   *Store
	img     image.Image
	name    string
	archive []byte
	blob    digest.Digest
}

func newDamaged(t *testing.T, blob func(image.Image) digest.Digest, damage func(string, []byte) error) *damaged {
	t.Helper()
	host := registry(t, nil)
	from, root := connected(t), t.TempDir()
	d := &damaged{t: t, store: openStore(t, root, network(t, root)), name: host + "/app:v1"}
	addImage(t, from, d.name, "a", 2)
	mustPush(t, from, d.name)
	if err := d.pull(); err != nil {
		t.Fatal(err)
	}
	var err error
	if d.img, err = d.store.Get(t.Context(), d.name); err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if err := d.store.Save(t.Context(), &buf, []string{d.name}); err != nil {
		t.Fatal(err)
	}
	d.archive, d.blob = buf.Bytes(), blob(d.img)
	path := filepath.Join(root, "images/blobs/sha256", d.blob.Encoded())
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(path), damage(path, b)); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *damaged) pull() error {
	_, err := d.store.Pull(d.t.Context(), d.name, PullOptions{})
	return err
}

func (d *damaged) load() error {
	_, err := d.store.Load(d.t.Context(), bytes.NewReader(d.archive), nil)
	return err
}

func (d *damaged) save() error { return d.store.Save(d.t.Context(), io.Discard, []string{d.name}) }

// push sends the image to a repository that has nothing of it.
func (d *damaged) push() error {
	other := registry(d.t, nil) + "/other:v1"
	err := d.store.Tag(d.t.Context(), d.img.ID.String(), other)
	if err == nil {
		_, err = d.store.Push(d.t.Context(), other, PushOptions{})
	}
	return err
}

// with does what a run or a build does to have the layers.
func (d *damaged) with(do func(image.Image, content.Lease) error) error {
	hold, err := d.store.cfg.Content.Lease(d.t.Context())
	if err != nil {
		return err
	}
	defer hold.Release()
	return do(d.img, hold)
}

// fromBase is a build FROM the image, when its files are here.
func (d *damaged) fromBase() error {
	return d.with(func(img image.Image, hold content.Lease) error { return d.store.Fetch(d.t.Context(), img, hold, nil) })
}

// run unpacks the image, whose snapshots were lost.
func (d *damaged) run() error {
	for n := len(d.img.Layers); n > 0; n-- {
		if err := d.store.cfg.Snapshots.Remove(d.t.Context(), string((&image.Image{Layers: d.img.Layers[:n]}).ChainID())); err != nil {
			return err
		}
	}
	return d.with(func(img image.Image, hold content.Lease) error { return d.store.Unpack(d.t.Context(), img, hold, nil) })
}

// TestDamageIsNotBelieved damages each blob of an image in each way. What only
// reads it fails and says so, what brings the image mends it.
func TestDamageIsNotBelieved(t *testing.T) {
	t.Parallel()
	layer := func(img image.Image) digest.Digest { return img.Layers[0].Blob.Digest }
	blobs := map[string]func(image.Image) digest.Digest{
		"layer":    layer,
		"manifest": func(img image.Image) digest.Digest { return img.Descriptor.Digest },
		"config":   func(img image.Image) digest.Digest { return img.ID },
	}
	must := func(d *damaged, what string, err error) {
		d.t.Helper()
		if err != nil {
			d.t.Fatalf("%s: %v", what, err)
		}
	}
	for how, damage := range damages {
		for which, blob := range blobs {
			t.Run(which+" "+how, func(t *testing.T) {
				t.Parallel()
				refused := func(what string, err error) {
					t.Helper()
					if !errors.Is(err, errdefs.ErrCorrupt) && !errors.Is(err, errdefs.ErrNotFound) {
						t.Errorf("%s: %v, want that a blob is damaged or missing", what, err)
					}
				}
				for verb, heal := range map[string]func(*damaged) error{"pull": (*damaged).pull, "load": (*damaged).load} {
					d := newDamaged(t, blob, damage)
					err := d.save() // which also finds a flipped bit
					if which == "layer" && gone[how] {
						must(d, "save of a layer that is gone and fetched", err)
						continue
					}
					refused("save", err)
					if which == "layer" && !strings.Contains(err.Error(), "pull or load its image again") {
						t.Errorf("save names no way out: %v", err)
					}
					must(d, verb, heal(d))
					must(d, "save after "+verb, d.save())
					must(d, "push after "+verb, d.push())
				}
			})
		}
		t.Run("layer "+how+", used", func(t *testing.T) {
			t.Parallel()
			d := newDamaged(t, layer, damage)
			if err := d.push(); (err == nil) != gone[how] {
				t.Errorf("the push of a layer that is damaged, or is gone and fetched: %v", err)
			}
			must(d, "build", d.fromBase())
			must(d, "save after a build", d.save())
			d = newDamaged(t, layer, damage)
			must(d, "run", d.run())
			must(d, "save after a run", d.save())
		})
	}
}
