package buildkit

import (
	"context"
	"strconv"
	"strings"

	"cove/engine/builds"
	"cove/errdefs"
)

// ask answers a question about the Dockerfile.
func (s *Server) ask(ctx context.Context, v *solved) (answers map[string][]byte, err error) {
	question, ok := strings.CutPrefix(v.request.Call, "frontend.")
	if !ok {
		return nil, errdefs.Errorf(errdefs.ErrUnsupported, "the question %q is not answered here", v.request.Call)
	}
	err = s.do(ctx, v, func(w *work) error {
		if err := w.fetch(ctx); err != nil {
			return err
		}
		o := w.request.Options
		o.Progress, o.Finder = w.job.status.Event, w.peer
		answer, err := builds.Ask(ctx, s.cfg.Engine.As(w.peer), []builds.Options{o}, question)
		lint, isLint := answer.(*builds.Lint)
		if err != nil && !isLint {
			return err
		}
		body, err := builds.AnswerJSON(answer)
		if err != nil {
			return err
		}
		var text strings.Builder
		if isLint {
			lint.Each(&text)
		} else {
			answer.Print(&text)
		}
		answers = map[string][]byte{
			"result.json": body, "result.txt": []byte(text.String()), "version": []byte(builds.AnswerVersion),
		}
		if isLint {
			answers["result.statuscode"] = []byte(strconv.Itoa(answer.Status()))
		}
		return nil
	})
	return answers, err
}
