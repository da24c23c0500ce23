package imagecopy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
	"cove/distribution/copy"
	"cove/distribution/manifest"
	"cove/distribution/progress"
	"cove/engine"
	"cove/errdefs"
	"cove/internal/platforms"
)

// Merge is an index to be made of images that are there.
type Merge struct {
	// Sources are images, or indexes, of which each image is taken with what is said
	// about it.
	Sources []Place
	// Targets get the index, and the images that are not there. Their names have tags.
	Targets []Place
	// Append begins with the images that the first target has; a source for the same
	// platform takes the place of one.
	Append bool
	// Annotations are of the index.
	Annotations map[string]string
	Progress    progress.Func
}

// maxConfig is the largest config of an image that is read for its platform.
const maxConfig = 8 << 20

// Index makes the index, and stores nothing. Two images for one platform are
// errdefs.ErrInvalid.
func (m Merge) Index(ctx context.Context, eng *engine.Engine) (distribution.Manifest, error) {
	all, err := m.gather(ctx, eng)
	if err != nil {
		return distribution.Manifest{}, err
	}
	return m.index(all)
}

// Run makes the index and stores it at each target, the tag last, and returns it.
func (m Merge) Run(ctx context.Context, eng *engine.Engine) (ocispec.Descriptor, error) {
	for _, to := range m.Targets {
		if to.Digest != "" {
			return ocispec.Descriptor{}, errdefs.Errorf(errdefs.ErrInvalid,
				"merging into %s: its digest comes from what is merged; give it a tag", to)
		}
	}
	all, err := m.gather(ctx, eng)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	made, err := m.index(all)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	for _, to := range m.Targets {
		if err := m.store(ctx, eng, to, all, made); err != nil {
			return ocispec.Descriptor{}, fmt.Errorf("merging into %s: %w", to, err)
		}
	}
	return made.Descriptor, nil
}

// member is one manifest of the index, and where it is.
type member struct {
	ocispec.Descriptor
	from Place
}

// about is the digest of the image that an attestation is about; "" for an image
// (BuildKit's docs/attestations/attestation-storage.md).
func (m member) about() string {
	if m.Annotations["vnd.docker.reference.type"] == "" {
		return ""
	}
	return m.Annotations["vnd.docker.reference.digest"]
}

// platform is a key of an image's; "" of what is for none.
func (m member) platform() string {
	if m.Platform == nil || m.Platform.OS == "" || m.Platform.OS == "unknown" {
		return ""
	}
	return platforms.Format(*m.Platform) + " " + m.Platform.OSVersion
}

// gather finds the members of the index.
func (m Merge) gather(ctx context.Context, eng *engine.Engine) ([]member, error) {
	var all []member
	if m.Append {
		if len(m.Targets) == 0 {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "appending: there is no target to append to")
		}
		have, err := members(ctx, eng, m.Targets[0])
		if err != nil {
			return nil, err
		}
		all = have
	}
	appended := len(all)
	for _, src := range m.Sources {
		found, err := members(ctx, eng, src)
		if err != nil {
			return nil, err
		}
		for _, one := range found {
			if all, appended, err = add(all, appended, one); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// add puts one more image, or document about one, into the list. Of the first old, one
// for the same platform gives its place up.
func add(all []member, old int, one member) ([]member, int, error) {
	if slices.ContainsFunc(all, func(have member) bool { return have.Digest == one.Digest }) {
		return all, old, nil
	}
	key := one.platform()
	i := slices.IndexFunc(all, func(have member) bool { return key != "" && have.platform() == key })
	if i >= old {
		return nil, 0, errdefs.Errorf(errdefs.ErrInvalid, "%s and %s are both for %s: an index has one image of a platform",
			all[i].from, one.from, platforms.Format(*one.Platform))
	}
	if i >= 0 {
		gone := all[i].Digest.String()
		kept := slices.DeleteFunc(slices.Clone(all), func(have member) bool {
			return have.Digest.String() == gone || have.about() == gone
		})
		old -= len(all) - len(kept)
		all = kept
	}
	return append(all, one), old, nil
}

// members are the images that a place names, with the documents about them.
func members(ctx context.Context, eng *engine.Engine, src Place) (found []member, err error) {
	registry, err := clientOf(eng)
	if err != nil {
		return nil, err
	}
	from, closeFrom, err := src.source(registry, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeFrom()) }()
	named, err := from.Resolve(ctx, src.Object())
	if err != nil {
		return nil, explain(ctx, registry, src, src, err)
	}
	doc, err := manifest.Parse(named.Descriptor.MediaType, named.Body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", src, err)
	}
	if manifest.IsIndex(doc.MediaType) {
		for _, desc := range doc.Manifests {
			found = append(found, member{desc, src})
		}
		return found, nil
	}
	desc := named.Descriptor
	desc.MediaType = doc.MediaType
	if desc.Platform, err = platformOf(ctx, from, doc.Config); err != nil {
		return nil, fmt.Errorf("%s: reading its config: %w", src, err)
	}
	return []member{{desc, src}}, nil
}

// platformOf reads for which platform an image is; nil is that of an artifact.
func platformOf(ctx context.Context, from content.Provider, config *ocispec.Descriptor) (*ocispec.Platform, error) {
	if config == nil || config.Size > maxConfig {
		return nil, nil
	}
	blob, err := from.Open(ctx, *config)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	text, err := io.ReadAll(io.LimitReader(content.NewReader(blob), maxConfig))
	if err != nil {
		return nil, err
	}
	if digest.FromBytes(text) != config.Digest && config.Digest.Algorithm() == digest.SHA256 {
		return nil, errdefs.Errorf(errdefs.ErrCorrupt, "it is not %s", config.Digest)
	}
	var said ocispec.Image
	if json.Unmarshal(text, &said) != nil || said.OS == "" {
		return nil, nil
	}
	return &said.Platform, nil
}

// index is the index of the members.
func (m Merge) index(all []member) (distribution.Manifest, error) {
	doc := ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex,
		Manifests: []ocispec.Descriptor{}, Annotations: m.Annotations,
	}
	for _, one := range all {
		doc.Manifests = append(doc.Manifests, one.Descriptor)
	}
	body, err := json.MarshalIndent(doc, "", "  ")
	return distribution.Manifest{Body: body, Descriptor: ocispec.Descriptor{
		MediaType: doc.MediaType, Digest: digest.FromBytes(body), Size: int64(len(body)),
	}}, err
}

// store brings the members and the index to a target.
func (m Merge) store(
	ctx context.Context, eng *engine.Engine, dst Place, all []member, made distribution.Manifest,
) (err error) {
	registry, err := clientOf(eng)
	if err != nil {
		return err
	}
	to, closeTo, err := dst.target(registry)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeTo()) }()
	for _, one := range all {
		if m.Append && one.from == m.Targets[0] && dst == m.Targets[0] {
			continue // it is there
		}
		if err := m.bring(ctx, eng, to, one); err != nil {
			return explain(ctx, registry, one.from, dst, err)
		}
	}
	if err := to.PushManifest(ctx, made, dst.Tag); err != nil {
		return explain(ctx, registry, dst, dst, err)
	}
	return nil
}

// bring copies one member, without a tag.
func (m Merge) bring(ctx context.Context, eng *engine.Engine, to copy.Target, one member) (err error) {
	registry, err := clientOf(eng)
	if err != nil {
		return err
	}
	from, closeFrom, err := one.from.source(registry, m.Progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeFrom()) }()
	_, err = copy.Copy(ctx, to, from, one.Digest.String(), copy.Options{Progress: blobsOnly(m.Progress)})
	return err
}
