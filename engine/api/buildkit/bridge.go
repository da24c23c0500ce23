package buildkit

import (
	"context"
	"runtime"

	moby_buildkit_v1_types "github.com/moby/buildkit/api/types"
	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	apicaps "github.com/moby/buildkit/util/apicaps/pb"
	"google.golang.org/grpc/metadata"

	"cove/engine/api/buildkit/frontend"
	"cove/errdefs"
)

// bridge is the gateway: through it a client says, while its Solve waits, what is to
// be built. A solve of its own is lazy, as BuildKit's is: the build runs when the
// client has returned its result.
type bridge struct {
	gateway.UnimplementedLLBBridgeServer
	server *Server
}

// buildID is the header that names the Solve of a call.
const buildID = "buildkit-controlapi-buildid"

// frontendCaps are what a client may ask of the gateway, llbCaps what of a build's
// options. What is not here, clients do not send or refuse by themselves.
var (
	frontendCaps = []string{
		string(gateway.CapSolveBase), string(gateway.CapReturnResult), string(gateway.CapReturnMap),
		string(gateway.CapProtoRefArray), string(gateway.CapImportCaches), string(gateway.CapFrontendCaps),
		string(gateway.CapGatewaySolveMetadata), string(gateway.CapGatewayEvaluateSolve),
		string(gateway.CapGatewayEvaluate), string(gateway.CapReferenceOutput),
	}
	// Those below the first line let a client write down LLB, so that it is refused
	// here, in words that say what to do.
	llbCaps = []string{
		string(pb.CapFileBase), string(pb.CapMultipleExporters),
		string(pb.CapConstraints), string(pb.CapPlatform), string(pb.CapMetaIgnoreCache),
		string(pb.CapMetaDescription), string(pb.CapMetaExportCache), string(pb.CapSourceImage),
		string(pb.CapSourceLocal), string(pb.CapSourceGit), string(pb.CapSourceHTTP),
		string(pb.CapAttestations),
	}
)

func caps(ids []string) (out []*apicaps.APICap) {
	for _, id := range ids {
		out = append(out, &apicaps.APICap{ID: id, Enabled: true})
	}
	return out
}

// job is the one that a call belongs to.
func (b *bridge) job(ctx context.Context) (*job, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	ids := md.Get(buildID)
	if len(ids) == 0 || ids[0] == "" {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "a call of the gateway does not say which build it is for")
	}
	return b.server.jobs.get(ctx, ids[0])
}

// Ping implements gateway.LLBBridgeServer.
func (b *bridge) Ping(ctx context.Context, _ *gateway.PingRequest) (*gateway.PongResponse, error) {
	if _, err := b.job(ctx); err != nil {
		return nil, answer(err)
	}
	return &gateway.PongResponse{
		FrontendAPICaps: caps(frontendCaps), LLBCaps: caps(llbCaps),
		Workers: []*moby_buildkit_v1_types.WorkerRecord{{
			ID: workerID, Labels: workerLabels(),
			Platforms: []*pb.Platform{{OS: "linux", Architecture: runtime.GOARCH}},
		}},
	}, nil
}

// Solve implements gateway.LLBBridgeServer.
func (b *bridge) Solve(ctx context.Context, req *gateway.SolveRequest) (*gateway.SolveResponse, error) {
	res, err := b.solve(ctx, req)
	if err != nil {
		return nil, answer(err)
	}
	return &gateway.SolveResponse{Result: res}, nil
}

func (b *bridge) solve(ctx context.Context, req *gateway.SolveRequest) (*gateway.Result, error) {
	j, err := b.job(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case len(req.Definition.GetDef()) > 0:
		return nil, frontend.RefuseLLB("the build")
	case len(req.SourcePolicies) > 0:
		return nil, errdefs.Errorf(errdefs.ErrUnsupported, "source policies are not supported")
	}
	r, err := frontend.NewRequest(req.Frontend, req.FrontendOpt, req.CacheImports)
	if err != nil {
		return nil, err
	}
	if r.Call != "" {
		answers, err := b.server.ask(ctx, &solved{job: j, request: r})
		return &gateway.Result{Metadata: answers}, err
	}
	v := &solved{job: j, request: r}
	if v.on, err = b.server.jobs.inputs(j, req.FrontendInputs); err != nil {
		return nil, err
	}
	id := j.add(v)
	if req.Evaluate {
		if err := b.evaluate(ctx, j, id); err != nil {
			return nil, err
		}
	}
	def, err := frontend.DefinitionOf(id)
	return &gateway.Result{Result: &gateway.Result_Ref{Ref: &gateway.Ref{Id: id, Def: def}}}, err
}

// Evaluate implements gateway.LLBBridgeServer.
func (b *bridge) Evaluate(ctx context.Context, req *gateway.EvaluateRequest) (*gateway.EvaluateResponse, error) {
	j, err := b.job(ctx)
	if err == nil {
		err = b.evaluate(ctx, j, req.Ref)
	}
	if err != nil {
		return nil, answer(err)
	}
	return &gateway.EvaluateResponse{}, nil
}

// evaluate builds a result now; what is exported of it later, the cache has.
func (b *bridge) evaluate(ctx context.Context, j *job, id string) error {
	v, err := j.result(id)
	if err != nil {
		return err
	}
	_, err = b.server.build(ctx, v)
	return err
}

// Return implements gateway.LLBBridgeServer.
func (b *bridge) Return(ctx context.Context, req *gateway.ReturnRequest) (*gateway.ReturnResponse, error) {
	j, err := b.job(ctx)
	if err != nil {
		return nil, answer(err)
	}
	select {
	case j.returned <- req:
		return &gateway.ReturnResponse{}, nil
	default:
		return nil, answer(errdefs.Errorf(errdefs.ErrConflict, "build %s has returned already", j.ref))
	}
}
