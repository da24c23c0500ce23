package browse

import (
	"context"
	"maps"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/registry/auth"
	"cove/registry/browse/files"
)

// maxChanges is how many files, and how many settings, a comparison lists.
const maxChanges = 500

// Comparison is in what two artifacts differ.
type Comparison struct {
	Before, After *Artifact
	Settings      []Setting // in which configurations and annotations differ
	Gone, New     []Layer   // that only one of them has
	Same          int       // layers that both have
	// Files differ, of images and charts; Cut says that there is more.
	Files    []files.Change
	HasFiles bool
	Cut      bool
}

// Equal says that nothing differs.
func (c *Comparison) Equal() bool {
	return len(c.Settings)+len(c.Gone)+len(c.New)+len(c.Files) == 0 && !c.Cut
}

// Setting is what a configuration or the annotations say, "" where they say nothing.
type Setting struct {
	Key, Name     string // the kind, as "env", and which one
	Before, After string
}

// Compare tells in what one artifact differs from another. Both must be the caller's to
// pull.
func (b *Browser) Compare(ctx context.Context, by auth.Caller, was, is Name) (c *Comparison, err error) {
	c = &Comparison{}
	if c.Before, err = b.pulled(ctx, by, was); err != nil {
		return nil, err
	}
	if c.After, err = b.pulled(ctx, by, is); err != nil {
		return nil, err
	}
	c.Settings = settingsDiff(c.Before, c.After)
	c.layers()
	if c.HasFiles = c.Before.HasFiles() && c.After.HasFiles(); !c.HasFiles || len(c.Gone)+len(c.New) == 0 {
		return c, nil
	}
	ctx = auth.WithCaller(ctx, by)
	_, before, err := b.tree(ctx, c.Before, "")
	if err != nil {
		return nil, err
	}
	_, after, err := b.tree(ctx, c.After, "")
	if err != nil {
		return nil, err
	}
	c.Files, c.Cut = before.Diff(after, maxChanges)
	c.Cut = c.Cut || before.Cut || after.Cut
	return c, nil
}

// pulled is an artifact that the caller may pull.
func (b *Browser) pulled(ctx context.Context, by auth.Caller, name Name) (*Artifact, error) {
	if err := b.judge.Permit(ctx, b.db, by, auth.Pull, name.Repository); err != nil {
		return nil, err
	}
	return b.Artifact(ctx, by, name)
}

func (c *Comparison) layers() {
	has := func(all []Layer, l Layer) bool {
		return slices.ContainsFunc(all, func(o Layer) bool { return o.Digest == l.Digest })
	}
	for _, l := range c.Before.Layers {
		if has(c.After.Layers, l) {
			c.Same++
		} else {
			c.Gone = append(c.Gone, l)
		}
	}
	for _, l := range c.After.Layers {
		if !has(c.Before.Layers, l) {
			c.New = append(c.New, l)
		}
	}
}

// settingsDiff compares what configurations and annotations say.
func settingsDiff(was, is *Artifact) (all []Setting) {
	before, after := settingsOf(was), settingsOf(is)
	keys := slices.AppendSeq(slices.Collect(maps.Keys(before)), maps.Keys(after))
	slices.SortFunc(keys, func(a, b [2]string) int { return strings.Compare(a[0]+" "+a[1], b[0]+" "+b[1]) })
	for _, key := range slices.Compact(keys) {
		if before[key] != after[key] && len(all) < maxChanges {
			all = append(all, Setting{key[0], key[1], before[key], after[key]})
		}
	}
	return all
}

func settingsOf(a *Artifact) map[[2]string]string {
	all := map[[2]string]string{{"kind", ""}: a.Manifest.MediaType}
	for name, value := range a.Annotations {
		all[[2]string{"annotation", name}] = value
	}
	if a.Image != nil {
		imageSettings(all, a.Image)
	}
	return all
}

func imageSettings(all map[[2]string]string, image *ocispec.Image) {
	c := image.Config
	for key, value := range map[string]string{
		"platform": strings.Trim(image.OS+"/"+image.Architecture+"/"+image.Variant, "/"),
		"user":     c.User, "workdir": c.WorkingDir, "entrypoint": strings.Join(c.Entrypoint, " "),
		"command": strings.Join(c.Cmd, " "), "signal": c.StopSignal,
		"ports":   strings.Join(slices.Sorted(maps.Keys(c.ExposedPorts)), " "),
		"volumes": strings.Join(slices.Sorted(maps.Keys(c.Volumes)), " "),
	} {
		if value != "" {
			all[[2]string{key, ""}] = value
		}
	}
	for _, env := range c.Env {
		name, value, _ := strings.Cut(env, "=")
		all[[2]string{"env", name}] = value
	}
	for name, value := range c.Labels {
		all[[2]string{"label", name}] = value
	}
}
