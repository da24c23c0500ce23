package builder

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/bill"
	"cove/builder/export"
	"cove/builder/plan"
	"cove/builder/provenance"
	"cove/builder/secret"
	"cove/builder/solve"
	"cove/builder/source"
	"cove/builder/state"
	"cove/internal/platforms"
)

// Attest says which documents about an image are stored with it.
type Attest struct {
	// Provenance says how it was made; nil is none.
	Provenance *provenance.Options
	// SBOM says what software it holds.
	SBOM bool
}

func needsBlobs(e export.Exporter) bool { return e.Needs().Blobs }

// scan gives the images of a part their SBOMs, if the request asks for them.
func (b *Builder) scan(ctx context.Context, j *job, p *part) error {
	if !p.req.Attest.SBOM || !slices.ContainsFunc(p.req.Exporters, needsBlobs) {
		return nil
	}
	scanner := bill.Scanner{Content: b.cfg.Content, Dir: state.Open(b.cfg.Root, b.cfg.Now).Inventories()}
	for i, img := range p.made.Images {
		name := "[" + platforms.Format(img.Platform) + "] generating sbom"
		err := j.report.Step(name, func() error {
			doc, err := scanner.Attest(ctx, img.Layers)
			p.made.Images[i].Attestations = append(p.made.Images[i].Attestations, doc)
			return err
		})
		if err != nil {
			return about(p, err)
		}
	}
	return nil
}

// describe says how each image of a part was made, and gives the images the documents
// that the request asks for.
func (b *Builder) describe(j *job, p *part, solved *solve.Result) ([]provenance.Build, error) {
	var all []provenance.Build
	for i, img := range p.made.Images {
		about := b.about(j, p, img, solved)
		all = append(all, about)
		if o := p.req.Attest.Provenance; o != nil {
			predicate, err := about.Predicate(*o)
			if err != nil {
				return nil, err
			}
			p.made.Images[i].Attestations = append(p.made.Images[i].Attestations,
				export.Attestation{Type: o.Type(), Predicate: predicate, InlineOnly: o.InlineOnly})
		}
	}
	return all, nil
}

// about is how one image was made.
func (b *Builder) about(j *job, p *part, img export.Image, solved *solve.Result) provenance.Build {
	req := p.req
	out := provenance.Build{
		ID: req.ID, Builder: platforms.Host(), Started: j.started, Finished: b.cfg.Now(),
		Dockerfile: p.files.Dockerfile, Name: p.files.Name,
		Graph: j.solved, Image: img.Image, Args: arguments(req), Secrets: secret.Of(req.Secrets),
		Commit: p.files.Commit, Lock: j.lock,
	}
	if !req.Squash { // then the layers are of no step
		out.Layers = layersOf(j.solved, img, solved)
	}
	if p.files.Remote() && req.Context != "-" {
		out.Context = req.Context
	} else {
		out.Local = []string{"context", "dockerfile"}
	}
	for _, name := range slices.Sorted(maps.Keys(req.Contexts)) {
		switch value := req.Contexts[name]; {
		case source.Remote(value):
			out.Contexts = append(out.Contexts, value)
		case !strings.Contains(value, "://") && !strings.HasPrefix(value, TargetContext):
			out.Local = append(out.Local, name)
		}
	}
	if req.Epoch != nil {
		// An image that is the same everywhere has documents that are.
		out.Started, out.Finished = *req.Epoch, *req.Epoch
		out.ID = digest.FromString(string(j.solved.Vertices[img.RootFS].Definition)).Encoded()[:25]
	}
	return out
}

// arguments are the options of a request, by BuildKit's names.
func arguments(req Request) map[string]string {
	args := map[string]string{}
	for k, v := range req.BuildArgs {
		args["build-arg:"+k] = v
	}
	for k, v := range req.Labels {
		args["label:"+k] = v
	}
	for k, v := range req.Contexts {
		args["context:"+k] = secret.MaskURL(v)
	}
	if req.Epoch != nil { // buildx gives a build its SOURCE_DATE_EPOCH as an argument
		args["build-arg:SOURCE_DATE_EPOCH"] = strconv.FormatInt(req.Epoch.Unix(), 10)
	}
	for k, v := range map[string]string{
		"target": req.Target, "force-network-mode": req.Network, "no-cache": strings.Join(req.NoCacheFilter, ","),
	} {
		if v != "" {
			args[k] = v
		}
	}
	if req.NoCache {
		args["no-cache"] = ""
	}
	return args
}

// layersOf says which layers of an image its steps made.
func layersOf(g *plan.Graph, img export.Image, solved *solve.Result) map[plan.ID][]ocispec.Descriptor {
	out := map[plan.ID][]ocispec.Descriptor{}
	left := img.Layers
	for id := img.RootFS; id != plan.None; id = g.Vertices[id].Parent {
		if base, ok := g.Vertices[id].Op.(*plan.Base); ok && len(base.Layers) <= len(left) {
			for _, l := range left {
				out[id] = append(out[id], l.Blob)
			}
		} else if solved.Made[id].Layer && len(left) > 0 {
			out[id] = []ocispec.Descriptor{left[len(left)-1].Blob}
			left = left[:len(left)-1]
		}
	}
	return out
}
