package buildkit

import (
	"cmp"
	"context"
	"crypto/rand"
	"runtime"
	"slices"
	"strings"
	"time"

	control "github.com/moby/buildkit/api/services/control"
	moby_buildkit_v1_types "github.com/moby/buildkit/api/types"
	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"cove/engine"
	"cove/engine/api/buildkit/frontend"
	"cove/errdefs"
)

// controller is the service that builds, and tells of builds. What it does not have,
// as the history of builds, answers that it is not implemented.
type controller struct {
	control.UnimplementedControlServer
	server *Server
}

// workerID names the one worker, which is the engine.
const workerID = "cove"

// The labels by which clients know what the worker can do: one with a snapshotter
// makes indexes, OCI archives and caches, and pushes by itself.
func workerLabels() map[string]string {
	return map[string]string{
		"org.mobyproject.buildkit.worker.executor":    "cove",
		"org.mobyproject.buildkit.worker.snapshotter": "overlayfs",
		"org.mobyproject.buildkit.worker.network":     "cni",
	}
}

// ListWorkers implements control.ControlServer.
func (c *controller) ListWorkers(
	context.Context, *control.ListWorkersRequest,
) (*control.ListWorkersResponse, error) {
	return &control.ListWorkersResponse{Record: []*moby_buildkit_v1_types.WorkerRecord{{
		ID: workerID, Labels: workerLabels(),
		Platforms:       []*pb.Platform{{OS: "linux", Architecture: runtime.GOARCH}},
		BuildkitVersion: version(),
	}}}, nil
}

// Info implements control.ControlServer.
func (c *controller) Info(context.Context, *control.InfoRequest) (*control.InfoResponse, error) {
	return &control.InfoResponse{BuildkitVersion: version()}, nil
}

func version() *moby_buildkit_v1_types.BuildkitVersion {
	return &moby_buildkit_v1_types.BuildkitVersion{Package: "cove", Version: engine.Version().Version}
}

// Session implements control.ControlServer.
func (c *controller) Session(stream control.Control_SessionServer) error {
	return c.server.tunnel(stream)
}

// Status implements control.ControlServer.
func (c *controller) Status(req *control.StatusRequest, stream control.Control_StatusServer) error {
	j, err := c.server.jobs.get(stream.Context(), req.Ref)
	if err != nil {
		return answer(err)
	}
	return j.status.Follow(stream.Context(), stream.Send)
}

// Solve implements control.ControlServer.
func (c *controller) Solve(ctx context.Context, req *control.SolveRequest) (*control.SolveResponse, error) {
	made, err := c.server.solve(ctx, req)
	if err != nil {
		return nil, answer(err)
	}
	return &control.SolveResponse{ExporterResponse: made}, nil
}

// solve builds what the request says, or what the client's side of the gateway returns.
func (s *Server) solve(ctx context.Context, req *control.SolveRequest) (map[string]string, error) {
	if err := frontend.RefuseSolve(req); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	j, err := s.jobs.begin(req.Ref, req.Session, cancel)
	if err != nil {
		return nil, err
	}
	defer s.jobs.end(j)
	v := &solved{job: j}
	if req.Frontend != "" {
		v.request, err = frontend.NewRequest(req.Frontend, req.FrontendAttrs, nil)
	} else {
		v, err = j.await(ctx)
	}
	if err != nil || v == nil {
		return nil, err
	}
	if err := v.complete(req); err != nil {
		return nil, err
	}
	return s.build(ctx, v)
}

// await waits for what the client's side of the gateway returns; nil is nothing to
// build.
func (j *job) await(ctx context.Context) (*solved, error) {
	var ret *gateway.ReturnRequest
	select {
	case ret = <-j.returned:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if ret.Error != nil {
		return nil, status.FromProto(ret.Error).Err()
	}
	id := frontend.Returned(ret.Result)
	if id == "" {
		return nil, nil
	}
	return j.result(id)
}

// DiskUsage implements control.ControlServer.
func (c *controller) DiskUsage(
	ctx context.Context, req *control.DiskUsageRequest,
) (*control.DiskUsageResponse, error) {
	if filtered(req.Filter) {
		return nil, answer(errdefs.Errorf(errdefs.ErrUnsupported, "filters of the build cache are not supported here"))
	}
	entries, err := c.server.cfg.Engine.BuildCache(ctx)
	if err != nil {
		return nil, answer(err)
	}
	out := &control.DiskUsageResponse{}
	for _, e := range entries {
		out.Record = append(out.Record, usage(e))
	}
	return out, nil
}

// filtered says that a client chooses among records; one that does not sends an empty
// filter.
func filtered(filters []string) bool {
	return slices.ContainsFunc(filters, func(f string) bool { return f != "" })
}

func usage(e engine.CacheEntry) *control.UsageRecord {
	return &control.UsageRecord{
		ID: e.ID.Encoded(), Size: e.Size, Description: e.Step, RecordType: e.Type, InUse: e.InUse,
		CreatedAt: timestamppb.New(e.Created), LastUsedAt: timestamppb.New(e.Used), UsageCount: int64(e.Uses),
		Shared: len(e.Images) > 0,
	}
}

// Cancel ends a build; one that does not run is no error.
func (s *Server) Cancel(ref string) {
	s.jobs.mu.Lock()
	j, ok := s.jobs.byRef[ref]
	s.jobs.mu.Unlock()
	if ok {
		j.cancel()
	}
}

// newID is a name that no client can guess.
func newID() string { return strings.ToLower(rand.Text()) }

// Prune implements control.ControlServer. It tells of the records that went.
func (c *controller) Prune(req *control.PruneRequest, stream control.Control_PruneServer) error {
	if filtered(req.Filter) || req.MinFreeSpace > 0 {
		return answer(errdefs.Errorf(errdefs.ErrUnsupported,
			"pruning the build cache by filters or by free space is not supported: by age and size it is"))
	}
	ctx := stream.Context()
	before, err := c.server.cfg.Engine.BuildCache(ctx)
	if err != nil {
		return answer(err)
	}
	_, err = c.server.cfg.Engine.Prune(ctx, engine.PruneOptions{
		BuildCache: true, CacheUnused: time.Duration(req.KeepDuration),
		CacheBytes: cmp.Or(req.MaxUsedSpace, req.ReservedSpace),
	})
	if err != nil {
		return answer(err)
	}
	after, err := c.server.cfg.Engine.BuildCache(ctx)
	if err != nil {
		return answer(err)
	}
	for _, e := range before {
		same := func(other engine.CacheEntry) bool { return other.ID == e.ID }
		if slices.ContainsFunc(after, same) {
			continue
		}
		if err := stream.Send(usage(e)); err != nil {
			return err
		}
	}
	return nil
}
