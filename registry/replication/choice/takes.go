package choice

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
	"cove/distribution/copy"
	"cove/distribution/manifest"
	"cove/registry/selector"
)

// Takes says whether the filters of a rule take what a tag names at src, beyond its
// name. Own are the names of the labels that people have put on it.
func (o Options) Takes(
	ctx context.Context, src copy.Source, m distribution.Manifest, own ...string,
) (bool, error) {
	if len(o.Labels) == 0 && len(o.MediaTypes) == 0 {
		return true, nil
	}
	doc, err := manifest.Parse(m.Descriptor.MediaType, m.Body)
	if err != nil {
		return false, err
	}
	// An index is what its first manifest is.
	for depth := 0; len(doc.Manifests) > 0 && doc.Config == nil && depth < maxDepth; depth++ {
		if anyLike(o.MediaTypes, doc.MediaType, doc.ArtifactType) && labelled(o.Labels, own, doc.Annotations) {
			return true, nil
		}
		child, err := src.Resolve(ctx, doc.Manifests[0].Digest.String())
		if err != nil {
			return false, err
		}
		if doc, err = manifest.Parse(child.Descriptor.MediaType, child.Body); err != nil {
			return false, err
		}
	}
	types := []string{m.Descriptor.MediaType, doc.MediaType, doc.ArtifactType}
	if doc.Config != nil {
		types = append(types, doc.Config.MediaType)
	}
	if !anyLike(o.MediaTypes, types...) {
		return false, nil
	}
	if labelled(o.Labels, own, doc.Annotations) {
		return true, nil
	}
	of, err := configLabels(ctx, src, doc.Config)
	return labelled(o.Labels, own, doc.Annotations, of), err
}

// maxDepth bounds how far indexes are looked into.
const maxDepth = 4

// anyLike says whether one of the texts is like one of the globs; none are like all.
func anyLike(globs []string, texts ...string) bool {
	for _, glob := range globs {
		for _, text := range texts {
			if text != "" && selector.Match(glob, text) {
				return true
			}
		}
	}
	return len(globs) == 0
}

// labelled says whether each of the globs is like one of the names, or a NAME=VALUE of
// the pairs.
func labelled(globs, names []string, pairs ...map[string]string) bool {
	for _, glob := range globs {
		name, value, valued := strings.Cut(glob, "=")
		if !valued {
			value = "**"
		}
		found := slices.ContainsFunc(names, func(n string) bool { return n == glob || like(glob, n) })
		for _, some := range pairs {
			for n, v := range some {
				found = found || like(name, n) && like(value, v)
			}
		}
		if !found {
			return false
		}
	}
	return true
}

func like(glob, text string) bool {
	return glob == "**" || selector.Match(glob, text)
}

// configLabels are the labels of an image's config; of other artifacts there are none.
func configLabels(ctx context.Context, src copy.Source, config *ocispec.Descriptor) (map[string]string, error) {
	const largest = 4 << 20
	if config == nil || config.Size > largest {
		return nil, nil
	}
	body, err := content.ReadBlob(ctx, src, *config)
	if err != nil {
		return nil, err
	}
	var image ocispec.Image
	_ = json.Unmarshal(body, &image) // what is no image has no labels
	return image.Config.Labels, nil
}
