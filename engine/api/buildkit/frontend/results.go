package frontend

import (
	"strings"

	control "github.com/moby/buildkit/api/services/control"
	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"cove/errdefs"
)

// resultSource begins the name of the one source in a definition that stands for a
// result.
const resultSource = "cove-result://"

// DefinitionOf is what a client gets for a result in the form of LLB. It is to be handed
// back as the input of another solve, and says only which result that was: a client of
// bake builds one target on another so.
func DefinitionOf(id string) (*pb.Definition, error) {
	source, err := (&pb.Op{Op: &pb.Op_Source{Source: &pb.SourceOp{Identifier: resultSource + id}}}).MarshalVT()
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "a definition: %w", err)
	}
	last, err := (&pb.Op{Inputs: []*pb.Input{{Digest: digest.FromBytes(source).String()}}}).MarshalVT()
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "a definition: %w", err)
	}
	// One without metadata is none to BuildKit.
	about := map[string]*pb.OpMetadata{digest.FromBytes(source).String(): {}}
	return &pb.Definition{Def: [][]byte{source, last}, Metadata: about}, nil
}

// ResultOf is the result that a definition stands for, "" if it is one of another kind.
func ResultOf(def *pb.Definition) (id string) {
	for _, raw := range def.GetDef() {
		var op pb.Op
		if err := op.UnmarshalVT(raw); err != nil {
			return ""
		}
		name, ours := strings.CutPrefix(op.GetSource().GetIdentifier(), resultSource)
		switch {
		case ours && id == "":
			id = name
		case op.Op != nil:
			return "" // something is done with it, or with another
		}
	}
	return id
}

// Returned is the result that a client returned. Those of several platforms are of one
// request, which builds them all.
func Returned(r *gateway.Result) string {
	switch r := r.GetResult().(type) {
	case *gateway.Result_Ref:
		return r.Ref.GetId()
	case *gateway.Result_RefDeprecated:
		return r.RefDeprecated
	case *gateway.Result_Refs:
		for _, ref := range r.Refs.GetRefs() {
			return ref.GetId()
		}
	case *gateway.Result_RefsDeprecated:
		for _, id := range r.RefsDeprecated.GetRefs() {
			return id
		}
	}
	return ""
}

// RefuseSolve says what of a request cannot be done.
func RefuseSolve(req *control.SolveRequest) error {
	for _, def := range req.FrontendInputs {
		if def != nil {
			return RefuseLLB("the inputs of the build")
		}
	}
	switch {
	case len(req.Definition.GetDef()) > 0:
		return RefuseLLB("the build")
	case len(req.SourcePolicy.GetRules()) > 0 || req.SourcePolicySession != "":
		return errdefs.Errorf(errdefs.ErrUnsupported, "source policies are not supported")
	case req.EnableSessionExporter:
		return errdefs.Errorf(errdefs.ErrUnsupported, "exporters of the session are not supported")
	case req.ProxyNetwork:
		return errdefs.Errorf(errdefs.ErrUnsupported, "networks through a proxy are not supported")
	}
	return nil
}
