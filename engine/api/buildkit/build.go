package buildkit

import (
	"context"

	control "github.com/moby/buildkit/api/services/control"
	"github.com/opencontainers/go-digest"
	"google.golang.org/protobuf/types/known/timestamppb"

	"cove/engine/api/buildkit/frontend"
	"cove/engine/api/buildkit/peer"
	"cove/engine/api/route"
	"cove/engine/builds"
)

// work is a request that is worked on, with the client on the session of its job.
type work struct {
	server  *Server
	job     *job
	solved  *solved
	request *frontend.Request
	peer    *peer.Peer
	// temp is what the client sends, or is to be sent.
	temp string
}

// do does something with a request.
func (s *Server) do(ctx context.Context, v *solved, what func(*work) error) error {
	p, err := s.peer(ctx, v.job.session, true)
	if err != nil {
		return err
	}
	temp, err := v.job.folder(s.cfg.Engine)
	if err != nil {
		return err
	}
	if err := what(&work{s, v.job, v, v.request, p, temp}); err != nil {
		return &buildError{err, v.job.status.Failed()}
	}
	return nil
}

// build builds what was solved. What of it is exported later, the cache has.
func (s *Server) build(ctx context.Context, v *solved) (made map[string]string, err error) {
	err = s.do(ctx, v, func(w *work) (err error) {
		made, err = w.build(ctx)
		return err
	})
	return made, err
}

func (w *work) build(ctx context.Context) (map[string]string, error) {
	all, err := w.chain(ctx)
	if err != nil {
		return nil, err
	}
	request := *w.request
	request.Options = all[0]
	if err := request.Outputs(w.peer.Send, w.temp); err != nil {
		return nil, err
	}
	all[0] = request.Options
	if err := w.server.mayReach(all); err != nil {
		return nil, err
	}
	results, err := builds.BuildAll(ctx, w.server.cfg.Engine.As(w.peer), all)
	if err != nil {
		return nil, err
	}
	var source []byte
	if got := request.Options.Received; got != nil {
		source = got.Dockerfile
	}
	w.job.status.Warn(source, results[0].Warnings)
	if err := w.sendFolders(ctx, request.Options.Outputs); err != nil {
		return nil, err
	}
	made, err := response(results[0], request.Exporters)
	if err != nil {
		return nil, err
	}
	return made, tellCaches(made, request.Options.CacheTo)
}

// mayReach refuses what reaches further than whoever asks may.
func (s *Server) mayReach(all []builds.Options) error {
	for _, o := range all {
		if what := frontend.Reach(o); what != "" && s.cfg.Access != nil {
			if err := s.cfg.Access.Require(route.All, what); err != nil {
				return err
			}
		}
	}
	return nil
}

// step does something beside the build, and tells of it.
func (j *job) step(name string, do func() error) error {
	begun := timestamppb.Now()
	v := &control.Vertex{Digest: digest.FromString(name).String(), Name: name, Started: begun}
	j.status.Add(&control.StatusResponse{Vertexes: []*control.Vertex{v}})
	err := do()
	ended := &control.Vertex{Digest: v.Digest, Name: name, Started: begun, Completed: timestamppb.Now()}
	if err != nil {
		ended.Error = err.Error()
	}
	j.status.Add(&control.StatusResponse{Vertexes: []*control.Vertex{ended}})
	return err
}
