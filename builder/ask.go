package builder

import (
	"context"
	"slices"

	"cove/builder/dockerfile"
	"cove/builder/event"
	"cove/builder/plan"
	"cove/builder/subrequest"
	"cove/errdefs"
)

// Ask answers a question about the Dockerfile of the first request, one of package
// subrequest; the others are what it may build on. It reads what Build would and resolves
// the base images; nothing is executed or written. What Build would end with before its
// first step is an error, which may have an answer beside it: the warnings until then.
func (b *Builder) Ask(ctx context.Context, reqs []Request, question string) (subrequest.Answer, error) {
	if question == subrequest.AskDescribe {
		return subrequest.Describe(), nil
	}
	j := &job{report: event.NewReporter(reqs[0].Progress, b.cfg.Now), lock: reqs[0].Lock}
	for i, name := range needed(reqs) {
		req := reqs[slices.IndexFunc(reqs, func(r Request) bool { return r.Name == name })]
		if err := req.complete(); err != nil {
			return nil, err
		}
		req.check = true
		if question == subrequest.AskOutline && i == 0 {
			req.outline = &subrequest.Outline{}
		}
		j.parts = append(j.parts, &part{req: req})
	}
	if err := j.checkLinks(); err != nil {
		return nil, err
	}
	defer j.close()
	if err := b.open(ctx, j); err != nil {
		return nil, err
	}
	p := j.parts[0]
	answer, err := b.answer(ctx, j, p, question)
	return answer, withSource(about(p, err), p.files.Dockerfile)
}

func (b *Builder) answer(ctx context.Context, j *job, p *part, question string) (subrequest.Answer, error) {
	switch question {
	case subrequest.AskTargets:
		return dockerfile.Targets(p.files.Name, p.files.Dockerfile)
	case subrequest.AskOutline:
		o := p.req.outline
		o.Sources = [][]byte{p.files.Dockerfile}
		_, err := b.planFor(ctx, j, p, p.req.Platforms[0])
		return o, err
	case subrequest.AskLint:
	default:
		return nil, errdefs.Errorf(errdefs.ErrUnsupported, "the question %q about a Dockerfile is none of "+
			"lint, outline, targets and subrequests.describe", question)
	}
	var graphs []*plan.Graph
	var err error
	for _, platform := range p.req.Platforms {
		g, failed := b.planFor(ctx, j, p, platform)
		if g != nil {
			graphs = append(graphs, g)
		}
		if err = failed; err != nil {
			break
		}
	}
	return subrequest.NewLint(p.files.Name, p.files.Dockerfile, plan.Warnings(graphs), err), err
}

// needed are the names of the first request and of those that it builds on.
func needed(reqs []Request) (names []string) {
	var visit func(name string)
	visit = func(name string) {
		i := slices.IndexFunc(reqs, func(r Request) bool { return r.Name == name })
		if i < 0 || slices.Contains(names, name) {
			return
		}
		names = append(names, name)
		for _, on := range links(reqs[i]) {
			visit(on)
		}
	}
	visit(reqs[0].Name)
	return names
}
