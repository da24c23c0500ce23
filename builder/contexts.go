package builder

import (
	"context"
	"slices"
	"strings"

	"cove/builder/buildctx"
	"cove/builder/dockerfile"
	"cove/builder/fetch"
	"cove/builder/plan"
	"cove/builder/source"
)

// imageContext begins a named context that is an image of a registry or here.
const imageContext = "docker-image://"

// LayoutContext begins a named context that is an image in an OCI layout; the
// Resolver is given the whole.
const LayoutContext = "oci-layout://"

// contexts says which named contexts are images.
func contexts(given map[string]string) map[string]dockerfile.Context {
	out := make(map[string]dockerfile.Context, len(given))
	for name, value := range given {
		var c dockerfile.Context
		if ref, ok := strings.CutPrefix(value, imageContext); ok {
			c.Image = ref
		} else if strings.HasPrefix(value, LayoutContext) {
			c.Image = value
		}
		out[name] = c
	}
	return out
}

// from is where a context of the request comes from.
func (b *Builder) from(req Request, dir string, report *reporter) source.Source {
	return source.Source{
		Dir: dir, Dockerfile: req.Dockerfile, Stdin: req.Stdin, State: b.cfg.Root, Step: report.step,
		Received: req.Received, Git: fetch.Git{Secrets: req.Secrets},
	}
}

// named are the contexts that have names and are files, opened.
type named map[string]*source.Context

// openNamed opens those that the graph reads from.
func (b *Builder) openNamed(ctx context.Context, j job) (named, error) {
	all := named{}
	for _, name := range contextsOf(j.graph) {
		c, err := source.OpenNamed(ctx, name, b.from(j.req, j.req.Contexts[name], j.report))
		if err != nil {
			all.close()
			return nil, err
		}
		all[name] = c
	}
	return all, nil
}

// contextsOf lists the named contexts of a graph.
func contextsOf(g *plan.Graph) (names []string) {
	for _, v := range g.Vertices {
		op, ok := v.Op.(*plan.Copy)
		if !ok {
			continue
		}
		for _, src := range op.Sources {
			if src.Context != "" && !slices.Contains(names, src.Context) {
				names = append(names, src.Context)
			}
		}
	}
	return names
}

func (n named) trees() map[string]*buildctx.Tree {
	out := make(map[string]*buildctx.Tree, len(n))
	for name, c := range n {
		out[name] = c.Tree
	}
	return out
}

// close loses nothing that matters: what a stat cache could not save costs time.
func (n named) close() {
	for _, c := range n {
		_ = c.Close()
	}
}
