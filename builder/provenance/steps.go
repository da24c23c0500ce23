package provenance

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/plan"
	"cove/builder/secret"
	"cove/internal/platforms"
	"cove/reference"
)

// Material is something that an image was made of: an image, a repository, a file.
type Material struct {
	URI string
	// Digest is that of the image or file, Commit of the repository.
	Digest digest.Digest
	Commit string
}

// materials are those of steps, each once, in the order of the plan.
func (b Build) materials(steps []*plan.Vertex) (all []Material) {
	add := func(m Material) {
		m.URI = b.Secrets.Mask(secret.MaskURL(m.URI))
		if !slices.Contains(all, m) {
			all = append(all, m)
		}
	}
	for _, from := range append([]string{b.Context}, b.Contexts...) {
		if repo, err := plan.ParseGit(from); err == nil {
			add(Material{URI: from, Commit: cmp.Or(b.commit(repo), b.Commit)})
		} else if from != "" {
			add(Material{URI: from, Digest: b.Lock.Sum(from)})
		}
	}
	for _, v := range steps {
		switch op := v.Op.(type) {
		case *plan.Base:
			if op.Name != "" {
				add(Material{URI: imageURL(op), Digest: op.Manifest.Digest})
			}
		case *plan.Copy:
			for _, src := range op.Sources {
				if src.Git != nil {
					add(Material{URI: gitURL(src.Git), Commit: b.commit(src.Git)})
				} else if src.URL != "" {
					add(Material{URI: src.URL, Digest: cmp.Or(digest.Digest(src.Checksum), b.Lock.Sum(src.URL))})
				}
			}
		}
	}
	return all
}

// commit is the hash of the commit that a repository was at: it was asked for, unless the
// Dockerfile has it.
func (b Build) commit(repo *plan.Git) string {
	for _, named := range []string{repo.Ref, repo.Commit} {
		if plan.IsCommit(named) {
			return named
		}
	}
	return b.Lock.Commit(repo)
}

func resolved(all []Material) (out []resource) {
	for _, m := range all {
		r := resource{URI: m.URI, Digest: setOf(m.Digest)}
		if m.Commit != "" {
			r.Digest = commitDigest(m.Commit)
		}
		out = append(out, r)
	}
	return out
}

// imageURL is the package URL of a base image, of a layout's as OCI.
func imageURL(base *plan.Base) string {
	p := ocispec.Platform{OS: base.Config.OS, Architecture: base.Config.Architecture, Variant: base.Config.Variant}
	kind := "docker"
	name := base.Name
	if rest, ok := strings.CutPrefix(name, "oci-layout://"); ok {
		kind, name = "oci", rest
	}
	if known, ok := PackageURL(kind, name, p); ok {
		return known
	}
	return "pkg:" + kind + "/" + url.PathEscape(name)
}

// PackageURL is the package URL of an image as BuildKit writes it, with its name as
// people say it: pkg:docker/alpine@3?platform=linux%2Famd64
// (https://github.com/package-url/purl-spec).
func PackageURL(kind, name string, p ocispec.Platform) (string, bool) {
	ref, err := reference.Parse(name)
	if err != nil {
		return "", false
	}
	path := ref.Repository
	if ref.Registry != "docker.io" {
		path = ref.Registry + "/" + path
	} else {
		path = strings.TrimPrefix(path, "library/")
	}
	parts := strings.Split(path, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	out := "pkg:" + kind + "/" + strings.Join(parts, "/")
	var qualifiers []string
	if ref.Digest != "" {
		qualifiers = append(qualifiers, "digest="+ref.Digest.String())
	} else {
		out += "@" + url.PathEscape(ref.Tag)
	}
	if p.OS != "" {
		qualifiers = append(qualifiers, "platform="+url.QueryEscape(platforms.Format(p)))
	}
	if len(qualifiers) > 0 {
		out += "?" + strings.Join(qualifiers, "&")
	}
	return out, true
}

// gitURL is a repository as a Dockerfile names it.
func gitURL(g *plan.Git) string {
	out := g.Remote
	if g.Ref != "" || g.Dir != "" {
		out += "#" + g.Ref
	}
	if g.Dir != "" {
		out += ":" + g.Dir
	}
	return out
}

// buildConfig is every step of a build, in the words of BuildKit's LLB.
type buildConfig struct {
	Definition []buildStep              `json:"llbDefinition,omitempty"`
	Mapping    map[digest.Digest]string `json:"digestMapping,omitempty"`
}

type buildStep struct {
	ID     string   `json:"id,omitempty"`
	Op     stepOp   `json:"op"`
	Inputs []string `json:"inputs,omitempty"`
}

type stepOp struct {
	Op       map[string]any `json:"Op"`
	Platform any            `json:"platform,omitempty"`
}

// stepName is what a vertex is called by.
func stepName(i int) string { return fmt.Sprintf("step%d", i) }

// buildConfig lists the steps; inputs are steps with the number of the output, which is
// always the first.
func (b Build) buildConfig(steps []*plan.Vertex) *buildConfig {
	names := map[plan.ID]string{}
	cfg := &buildConfig{Mapping: map[digest.Digest]string{}}
	for i, v := range steps {
		names[v.ID] = stepName(i)
		cfg.Mapping[v.Definition] = stepName(i)
		s := buildStep{ID: stepName(i), Op: stepOp{Op: b.describe(v)}}
		for _, in := range append([]plan.ID{v.Parent}, v.Inputs...) {
			if in != plan.None {
				s.Inputs = append(s.Inputs, names[in]+":0")
			}
		}
		cfg.Definition = append(cfg.Definition, s)
	}
	return cfg
}

// describe is a step as an operation of LLB.
func (b Build) describe(v *plan.Vertex) map[string]any {
	switch op := v.Op.(type) {
	case *plan.Base:
		name := "docker-image://" + op.Name
		if op.Name == "" {
			name = "scratch"
		}
		if op.Manifest.Digest != "" && !strings.Contains(op.Name, "@") {
			name += "@" + op.Manifest.Digest.String()
		}
		return map[string]any{"source": map[string]any{"identifier": name}}
	case *plan.Run:
		meta := map[string]any{"args": b.maskEach(op.Args), "env": b.maskEnv(op.Env), "cwd": op.Cwd}
		if op.User != "" {
			meta["user"] = op.User
		}
		exec := map[string]any{"meta": meta}
		if op.Network != "" && op.Network != "default" {
			exec["network"] = op.Network
		}
		if mounts := describeMounts(op.Mounts); len(mounts) > 0 {
			exec["mounts"] = mounts
		}
		return map[string]any{"exec": exec}
	case *plan.Copy:
		return map[string]any{"file": map[string]any{"actions": b.describeCopy(op)}}
	case *plan.Workdir:
		mkdir := map[string]any{"path": op.Path, "mode": 0o755, "makeParents": true}
		action := map[string]any{"Action": map[string]any{"mkdir": mkdir}}
		return map[string]any{"file": map[string]any{"actions": []any{action}}}
	}
	return nil
}

// describeCopy are the actions of a COPY or ADD.
func (b Build) describeCopy(op *plan.Copy) (actions []any) {
	for _, src := range op.Sources {
		c := map[string]any{"dest": op.Dest}
		switch {
		case src.Git != nil:
			c["src"] = secret.MaskURL(gitURL(src.Git))
		case src.URL != "":
			c["src"] = secret.MaskURL(src.URL)
		case src.Inline != nil:
			c["src"] = src.Name
		default:
			c["src"] = "/" + src.Path
		}
		if op.Chown != "" {
			c["owner"] = op.Chown
		}
		if op.Chmod != "" {
			c["modeStr"] = op.Chmod
		}
		actions = append(actions, map[string]any{"Action": map[string]any{"copy": c}})
	}
	return actions
}

// describeMounts are what a command found mounted; values of secrets are no part of a plan.
func describeMounts(mounts []plan.RunMount) (out []any) {
	for _, m := range mounts {
		d := map[string]any{"dest": m.Target, "mountType": m.Type}
		if m.ID != "" {
			d["id"] = m.ID
		}
		if m.ReadOnly {
			d["readonly"] = true
		}
		out = append(out, d)
	}
	return out
}

func (b Build) maskEach(texts []string) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = b.Secrets.Mask(text)
	}
	return out
}

// maskEnv masks variables as arguments are, because arguments are among them.
func (b Build) maskEnv(env []string) []string {
	out := make([]string, len(env))
	for i, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		out[i] = name + "=" + b.Secrets.MaskArg(name, value)
	}
	return out
}

// details are where the steps stand in the Dockerfile, and what layers they made.
func (b Build) details(steps []*plan.Vertex) details {
	text := []byte(b.Secrets.Mask(string(b.Dockerfile)))
	d := details{Source: &sources{
		Locations: map[string]locations{},
		Infos:     []sourceInfo{{Filename: b.Name, Language: "Dockerfile", Data: text}},
	}}
	for i, v := range steps {
		if line := v.Location.Line; line > 0 {
			at := lineRange{Start: position{line}, End: position{max(line, v.Location.End)}}
			d.Source.Locations[stepName(i)] = locations{[]location{{[]lineRange{at}}}}
		}
		if made := b.Layers[v.ID]; len(made) > 0 {
			if d.Layers == nil {
				d.Layers = map[string][][]ocispec.Descriptor{}
			}
			d.Layers[stepName(i)+":0"] = [][]ocispec.Descriptor{made}
		}
	}
	return d
}
