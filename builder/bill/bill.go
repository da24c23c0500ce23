// Package bill says what software the images of builds hold, as an attestation: an
// SPDX document, as BuildKit's scanner makes one. What a layer says is kept, so that
// a build reads only the layers that are new.
package bill

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/export"
	"cove/content"
	"cove/errdefs"
	"cove/internal/atomicfile"
	"cove/internal/buildinfo"
	"cove/internal/limit"
	"cove/inventory"
	"cove/inventory/packages"
	"cove/inventory/sbom"
	"cove/layers"
	"cove/reference"
)

// Type is that of the predicate (in-toto attestation, spec/predicates/spdx.md).
const Type = "https://spdx.dev/Document"

// readers is raised when the readers of package inventory find more than before.
const readers = 2

// CheckOptions reads the options of an attestation, by buildx's keys. Another scanner
// than the one built in is errdefs.ErrUnsupported.
func CheckOptions(options map[string]string) error {
	for key, value := range options {
		if key == "generator" {
			return errdefs.Errorf(errdefs.ErrUnsupported,
				"generator=%s: the scanner is built in: leave the key out", value)
		}
		return errdefs.Errorf(errdefs.ErrUnsupported, "sbom takes no %s", key)
	}
	return nil
}

// scanArgs are build arguments by which BuildKit scans more than the image.
var scanArgs = []string{"BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"}

// CheckArgs refuses build arguments that ask for more than the image to be scanned.
func CheckArgs(args map[string]string) error {
	for _, name := range scanArgs {
		if on, err := strconv.ParseBool(args[name]); args[name] != "" && (err != nil || on) {
			return errdefs.Errorf(errdefs.ErrUnsupported,
				"build argument %s=%s: the image alone is scanned, not its context or other stages", name, args[name])
		}
	}
	return nil
}

// Scanner reads layers.
type Scanner struct {
	Content content.Provider
	// Dir keeps what layers say.
	Dir string
}

// Attest makes the document about an image of these layers.
func (s Scanner) Attest(ctx context.Context, all []layers.Layer) (export.Attestation, error) {
	image, err := s.image(ctx, all)
	if err != nil {
		return export.Attestation{}, err
	}
	return export.Attestation{Type: Type, About: func(img export.Subject) (json.RawMessage, error) {
		return predicate(image, img)
	}}, nil
}

// image puts together what the layers say, several of which are read at once.
func (s Scanner) image(ctx context.Context, all []layers.Layer) (packages.Image, error) {
	said := make([]packages.Layer, len(all))
	numbers := make([]int, len(all))
	for i := range all {
		numbers[i] = i
	}
	err := limit.Each(ctx, runtime.GOMAXPROCS(0), slices.Values(numbers), func(ctx context.Context, i int) (err error) {
		said[i], err = s.layer(ctx, all[i])
		return err
	})
	return packages.Stack(said), err
}

// layer is what one layer says: what is kept, or else what reading it finds.
func (s Scanner) layer(ctx context.Context, l layers.Layer) (said packages.Layer, err error) {
	name := filepath.Join(s.Dir, fmt.Sprintf("%d-%s", readers, digest.Digest(l.DiffID).Encoded()))
	if text, err := os.ReadFile(name); err == nil && json.Unmarshal(text, &said) == nil {
		now := time.Now()
		_ = os.Chtimes(name, now, now) // what is used is kept
		return said, nil
	}
	if said, err = s.read(ctx, l.Blob); err != nil {
		return said, fmt.Errorf("reading which packages layer %s has: %w", l.Blob.Digest, err)
	}
	text, err := json.Marshal(said)
	if err == nil {
		err = os.MkdirAll(s.Dir, 0o700)
	}
	if err == nil {
		err = atomicfile.WriteFile(name, text, 0o600, atomicfile.Volatile)
	}
	if err != nil {
		err = errdefs.Errorf(errdefs.ErrUnavailable, "keeping which packages layer %s has: %w", l.Blob.Digest, err)
	}
	return said, err
}

func (s Scanner) read(ctx context.Context, desc ocispec.Descriptor) (packages.Layer, error) {
	blob, err := s.Content.Open(ctx, desc)
	if err != nil {
		return packages.Layer{}, err
	}
	defer blob.Close()
	return inventory.Read(ctx, blob, "")
}

// predicate is the document about an image that has its digest.
func predicate(image packages.Image, img export.Subject) (json.RawMessage, error) {
	about := sbom.Subject{
		Name: "image", Digest: img.Manifest.Digest, Created: img.Created, Tool: "cove-" + buildinfo.Version(),
	}
	if len(img.Names) > 0 {
		if ref, err := reference.Parse(img.Names[0]); err == nil {
			about.Name = ref.Repository
		}
	}
	return sbom.Write(sbom.SPDX, about, image)
}
