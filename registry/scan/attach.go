package scan

import (
	"context"
	"encoding/json"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution"
	"cove/errdefs"
	"cove/internal/buildinfo"
	"cove/inventory/sbom"
	"cove/registry/auth"
	"cove/registry/metadata"
	"cove/registry/scan/results"
)

// SBOM is the software bill of materials of an image that was scanned, in a form.
func (s *Scans) SBOM(ctx context.Context, by auth.Caller, i results.Image, form string) ([]byte, error) {
	i.Repository = metadata.CanonicalName(i.Repository)
	found, err := s.Packages(ctx, by, i)
	if err != nil {
		return nil, err
	}
	pushed, err := results.PushedAt(ctx, s.cfg.DB.Querier(), i)
	if err != nil {
		return nil, err
	}
	return sbom.Write(form, sbom.Subject{
		Name: i.Repository, Digest: i.Digest, Created: pushed.Truncate(time.Second),
		Tool: "cove-" + buildinfo.Version(),
	}, found)
}

// Attach makes the bill of an image a referrer of it, and returns the digest of that.
// Attaching the same again changes nothing.
func (s *Scans) Attach(ctx context.Context, by auth.Caller, i results.Image, form string) (digest.Digest, error) {
	i.Repository = metadata.CanonicalName(i.Repository)
	subject, err := s.image(ctx, by, MakeSBOM, i)
	if err != nil {
		return "", err
	}
	mediaType, err := sbom.MediaType(form)
	if err != nil {
		return "", err
	}
	text, err := s.SBOM(ctx, auth.Operator(), i, form)
	if err != nil {
		return "", err
	}
	ctx = auth.WithCaller(ctx, by)
	layer := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(text), Size: int64(len(text))}
	for _, blob := range []struct {
		desc ocispec.Descriptor
		text []byte
	}{{ocispec.DescriptorEmptyJSON, ocispec.DescriptorEmptyJSON.Data}, {layer, text}} {
		if err := s.store(ctx, i.Repository, blob.desc, blob.text); err != nil {
			return "", err
		}
	}
	empty := ocispec.DescriptorEmptyJSON
	empty.Data = nil
	body, err := json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		ArtifactType: mediaType, Config: empty, Layers: []ocispec.Descriptor{layer},
		Subject: &ocispec.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size},
	})
	if err != nil {
		return "", err
	}
	m := distribution.Manifest{Body: body, Descriptor: ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(body), Size: int64(len(body)),
	}}
	_, err = s.cfg.Registry.PutManifest(ctx, i.Repository, m)
	return m.Descriptor.Digest, err
}

// store has a blob in a repository.
func (s *Scans) store(ctx context.Context, repo string, desc ocispec.Descriptor, text []byte) (err error) {
	if _, err := s.cfg.Registry.StatBlob(ctx, repo, desc.Digest); err == nil {
		return nil
	}
	up, err := s.cfg.Registry.StartUpload(ctx, repo)
	if err != nil {
		return err
	}
	defer func() {
		if failed := up.Close(); err == nil {
			err = failed
		}
	}()
	if _, err := up.Write(text); err != nil {
		return err
	}
	_, err = up.Commit(ctx, desc.Digest)
	return err
}

// Images are those that a name stands for: one, or those of an index. What is no
// image has none.
func (s *Scans) Images(
	ctx context.Context, by auth.Caller, repo, tag string, dgst digest.Digest,
) ([]results.Image, error) {
	repo = metadata.CanonicalName(repo)
	if err := s.cfg.Judge.Permit(ctx, s.cfg.DB, by, Read, repo); err != nil {
		return nil, err
	}
	desc, err := s.cfg.DB.ManifestByDigest(ctx, repo, dgst)
	if tag != "" {
		desc, err = s.cfg.DB.ManifestByTag(ctx, repo, tag)
	}
	if err != nil {
		return nil, err
	}
	images, err := s.images(ctx, results.Image{Repository: repo, Digest: desc.Digest}, desc)
	if err == nil && len(images) == 0 {
		err = errdefs.Errorf(errdefs.ErrInvalid, "%s@%s is no image: there is nothing to scan", repo, desc.Digest)
	}
	return images, err
}
