package buildkit

import (
	"context"
	"sync"

	control "github.com/moby/buildkit/api/services/control"
	"google.golang.org/protobuf/proto"

	"cove/errdefs"
)

// Classic is a build that a client of docker's before 23 asks for with POST /build,
// and whose files it offers on a session.
type Classic struct {
	Ref, Session string
	// Options are those of the Dockerfile frontend.
	Options   map[string]string
	Exporters []*control.Exporter
}

// Build builds, and tells of it in BuildKit's messages until it returns.
func (s *Server) Build(ctx context.Context, b Classic, tell func(message []byte) error) (map[string]string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var following sync.WaitGroup
	following.Go(func() {
		j, err := s.jobs.get(ctx, b.Ref)
		if err != nil {
			return // the build did not begin, which is an error of its own
		}
		err = j.status.Follow(context.WithoutCancel(ctx), func(r *control.StatusResponse) error {
			message, err := proto.Marshal(r)
			if err != nil {
				return errdefs.Errorf(errdefs.ErrInvalid, "progress: %w", err)
			}
			return tell(message)
		})
		if err != nil {
			cancel() // nobody listens
		}
	})
	made, err := s.solve(ctx, &control.SolveRequest{
		Ref: b.Ref, Session: b.Session, Frontend: "dockerfile.v0", FrontendAttrs: b.Options, Exporters: b.Exporters,
	})
	if err != nil {
		cancel()
	}
	following.Wait()
	return made, answer(err)
}
