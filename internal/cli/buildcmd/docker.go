package buildcmd

import (
	"github.com/spf13/pflag"

	"cove/errdefs"
)

// dockerFlags are flags of docker build and buildx that ask for what is always done,
// for what there is only one of, or for what there is not. Each works or is an error;
// none is ignored.
type dockerFlags struct {
	isolation, builder string
	rm, forceRm        bool
	compress           bool
	contentTrust       bool // --disable-content-trust
	security, policies []string
	squash             bool

	attest                 []string
	provenance, sbom, call string
}

func (f *dockerFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.isolation, "isolation", "", "default; there is no other")
	fs.StringVar(&f.builder, "builder", "", "default; there is no other")
	fs.BoolVar(&f.rm, "rm", true, "remove the containers of RUN, which is always done")
	fs.BoolVar(&f.forceRm, "force-rm", false, "remove them also after a failure, which is always done")
	fs.BoolVar(&f.compress, "compress", false, "send the context compressed; it is read where it is")
	fs.BoolVar(&f.contentTrust, "disable-content-trust", true, "do not verify signatures; only true")
	fs.StringVar(&f.call, "call", "build", "what to do: build, or tell of the Dockerfile check, outline, targets; [,format=json][,ignorestatus=true]")
	fs.StringArrayVar(&f.attest, "attest", nil,
		"store a document with the image: type=provenance[,mode=min|max][,version=v1|v0.2] or type=sbom; or disabled=true")
	fs.StringVar(&f.provenance, "provenance", "", "how the image was made, as a document with it: true, false, mode=min or mode=max")
	fs.StringVar(&f.sbom, "sbom", "", "which packages the image holds, as a document with it: true or false")
	fs.BoolVar(&f.squash, "squash", false, "make one layer over the base of those that the steps make")
	fs.StringArrayVar(&f.security, "security-opt", nil, "refused: use RUN --security with --allow")
	fs.StringArrayVar(&f.policies, "policy", nil, "refused: there are no policies")
	for _, name := range []string{"builder", "compress", "disable-content-trust", "security-opt", "policy"} {
		_ = fs.MarkHidden(name) // it was registered above
	}
}

// check refuses by name what cannot be had.
func (f *dockerFlags) check() error {
	refuse := func(format string, args ...any) error { return errdefs.Errorf(errdefs.ErrUnsupported, format, args...) }
	switch {
	case f.isolation != "" && f.isolation != "default":
		return refuse("--isolation %s: there is only default", f.isolation)
	case f.builder != "" && f.builder != "default":
		return refuse("--builder %s: there is one builder, this one: leave the flag out", f.builder)
	case !f.rm:
		return refuse("--rm=false: the container of a RUN is never kept")
	case !f.contentTrust:
		return refuse("--disable-content-trust=false: signatures of base images are not verified: " +
			"name them by digest, FROM IMAGE@sha256:…")
	case len(f.security) > 0:
		return refuse("--security-opt %s: every RUN has the same confinement; "+
			"RUN --security=insecure with --allow security.insecure takes it away", f.security[0])
	case len(f.policies) > 0:
		return refuse("--policy %s: there are no policies", f.policies[0])
	}
	return nil
}
