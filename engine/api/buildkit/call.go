package buildkit

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/moby/buildkit/solver/pb"

	"cove/engine/api/buildkit/frontend"
	"cove/engine/api/buildkit/progress"
	"cove/engine/builds"
	"cove/errdefs"
)

// lintRequest is the one question about a Dockerfile that is answered: --check.
const lintRequest = "frontend.lint"

// lintWarning and lintResult are the answer, as clients read it.
type (
	lintWarning struct {
		Rule     string        `json:"ruleName"`
		URL      string        `json:"url,omitempty"`
		Detail   string        `json:"detail,omitempty"`
		Location *lintLocation `json:"location,omitempty"`
	}
	lintLocation struct {
		SourceIndex int         `json:"sourceIndex"`
		Ranges      []*pb.Range `json:"ranges"`
	}
	lintResult struct {
		Warnings []lintWarning    `json:"warnings"`
		Sources  []*pb.SourceInfo `json:"sources"`
	}
)

// ask answers a question about the Dockerfile.
func (s *Server) ask(ctx context.Context, j *job, r *frontend.Request) (answers map[string][]byte, err error) {
	if r.Call != lintRequest {
		return nil, errdefs.Errorf(errdefs.ErrUnsupported,
			"the question %q is not answered here: --check is, which is %s", r.Call, lintRequest)
	}
	err = s.do(ctx, j, r, func(w *work) error {
		if err := w.fetch(ctx); err != nil {
			return err
		}
		checked, err := builds.Check(ctx, s.cfg.Engine.As(w.peer), r.Options)
		if err != nil {
			return err
		}
		answers, err = lint(checked.Dockerfile, checked.Warnings)
		return err
	})
	return answers, err
}

// lint writes the answer to --check.
func lint(source []byte, warnings []builds.Warning) (map[string][]byte, error) {
	result := lintResult{Warnings: []lintWarning{}, Sources: []*pb.SourceInfo{}}
	var text strings.Builder
	for _, w := range warnings {
		out := lintWarning{Rule: w.Rule, URL: w.URL, Detail: w.Text, Location: &lintLocation{SourceIndex: -1}}
		if w.Location.Line > 0 {
			out.Location = &lintLocation{Ranges: progress.Ranges(w.Location)}
		}
		if len(result.Sources) == 0 {
			result.Sources = append(result.Sources, progress.Info(source, w.Location))
		}
		result.Warnings = append(result.Warnings, out)
		fmt.Fprintf(&text, "\nWARNING: %s - %s\n%s\n", w.Rule, w.URL, w.Text)
	}
	body, err := json.Marshal(result)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "describing warnings: %w", err)
	}
	code := "0"
	if len(warnings) > 0 {
		code = "1"
	}
	return map[string][]byte{
		"result.json": body, "result.txt": []byte(text.String()), "result.statuscode": []byte(code),
		"version": []byte("1.0.0"),
	}, nil
}
