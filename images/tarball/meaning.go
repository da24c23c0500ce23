package tarball

import (
	"context"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/reference"
)

// images works out what the entries mean. The OCI index knows the manifests,
// and so keeps digests as they were; manifest.json alone describes images of
// older archives, and adds names to the others.
func (a *Reader) images(ctx context.Context) ([]Image, error) {
	docker, err := a.dockerImages(ctx)
	if err != nil {
		return nil, err
	}
	oci, err := a.ociImages(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case len(oci) > 0:
		return bounded(merge(oci, docker))
	case len(docker) > 0:
		return bounded(docker)
	}
	return nil, errdefs.Errorf(errdefs.ErrInvalid,
		"image archive: holds no image: neither manifest.json nor index.json names one (a root filesystem is read by import)")
}

// bounded refuses more names than anybody gives.
func bounded(images []Image) ([]Image, error) {
	n := 0
	for _, img := range images {
		n += len(img.Names)
	}
	if n > maxNames {
		return nil, errdefs.Errorf(errdefs.ErrExhausted,
			"image archive: its images have %d names, more than %d", n, maxNames)
	}
	return images, nil
}

func (a *Reader) dockerImages(ctx context.Context) ([]Image, error) {
	body, ok := a.docs[manifestFile]
	if !ok {
		return nil, nil
	}
	var list []dockerManifest
	if err := decode(manifestFile, body, &list); err != nil {
		return nil, err
	}
	images := make([]Image, 0, len(list))
	for _, m := range list {
		var img Image
		var err error
		if img.Config, err = a.find(ctx, m.Config); err != nil {
			return nil, err
		}
		img.Config.MediaType = ocispec.MediaTypeImageConfig
		for _, name := range m.Layers {
			layer, err := a.find(ctx, name)
			if err != nil {
				return nil, err
			}
			img.Layers = append(img.Layers, layer)
		}
		for _, tag := range m.RepoTags {
			ref, err := reference.Parse(tag)
			if err != nil {
				return nil, errdefs.Errorf(errdefs.ErrInvalid, "image archive: %s: %w", manifestFile, err)
			}
			img.Names = append(img.Names, ref.String())
		}
		images = append(images, img)
	}
	return images, nil
}

func (a *Reader) ociImages(ctx context.Context) ([]Image, error) {
	body, ok := a.docs[ocispec.ImageIndexFile]
	if !ok {
		return nil, nil
	}
	if err := a.layoutVersion(); err != nil {
		return nil, err
	}
	var index ocispec.Index
	if err := decode(ocispec.ImageIndexFile, body, &index); err != nil {
		return nil, err
	}
	var images []Image
	for _, desc := range index.Manifests {
		if _, err := reference.ParseDigest(desc.Digest.String()); err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "image archive: %s: %w", ocispec.ImageIndexFile, err)
		}
		found, err := a.find(ctx, blobPath(desc.Digest))
		if err != nil {
			return nil, err
		}
		if desc.Size != found.Size {
			return nil, errdefs.Errorf(errdefs.ErrInvalid,
				"image archive: %s: says that %s has %d bytes, and it has %d",
				ocispec.ImageIndexFile, desc.Digest, desc.Size, found.Size)
		}
		name, err := ociName(desc)
		if err != nil {
			return nil, err
		}
		desc.Annotations = nil
		i := slices.IndexFunc(images, func(img Image) bool { return img.Target.Digest == desc.Digest })
		if i < 0 {
			i = len(images)
			images = append(images, Image{Target: desc})
		}
		if name != "" && !slices.Contains(images[i].Names, name) {
			images[i].Names = append(images[i].Names, name)
		}
	}
	return images, nil
}

// layoutVersion refuses a layout of another version than the one that is known. An
// archive that does not say is taken at its index's word.
func (a *Reader) layoutVersion() error {
	body, ok := a.docs[ocispec.ImageLayoutFile]
	if !ok {
		return nil
	}
	var layout ocispec.ImageLayout
	if err := decode(ocispec.ImageLayoutFile, body, &layout); err != nil {
		return err
	}
	if layout.Version != ocispec.ImageLayoutVersion {
		return errdefs.Errorf(errdefs.ErrUnsupported, "image archive: %s: version %q is not %s",
			ocispec.ImageLayoutFile, layout.Version, ocispec.ImageLayoutVersion)
	}
	return nil
}

// ociName is the name of an index entry. containerd's annotation is a whole
// one; the specification's may be a bare tag, which names nothing by itself.
func ociName(desc ocispec.Descriptor) (string, error) {
	name := desc.Annotations[containerdName]
	if name == "" {
		if name = desc.Annotations[ocispec.AnnotationRefName]; !strings.ContainsAny(name, ":/") {
			return "", nil
		}
	}
	ref, err := reference.Parse(name)
	if err != nil {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "image archive: %s: %w", ocispec.ImageIndexFile, err)
	}
	return ref.String(), nil
}

// merge gives OCI images without a name those that manifest.json has for them.
// Both list them in one order when one tool wrote both.
func merge(oci, docker []Image) []Image {
	for i := range oci {
		if len(oci[i].Names) == 0 && len(oci) == len(docker) {
			oci[i].Names = docker[i].Names
		}
	}
	return oci
}
