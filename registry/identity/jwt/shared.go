package jwt

import (
	"slices"
	"strings"

	"cove/errdefs"
)

// shared are issuers that sign tokens for everybody who has an account with them. The
// claims say whose a token is; the advice is what a refusal tells.
var shared = []struct {
	issuer string
	owner  []ownerClaim
	advice string
}{
	{"https://token.actions.githubusercontent.com", []ownerClaim{
		{"repository_owner", "", 0},
		{"repository_owner_id", "", 0},
		{"repository_id", "", 0},
		{"repository", "", '/'},
		{"enterprise", "", 0},
		{"enterprise_id", "", 0},
		{"sub", "repo:", '/'},
	}, "repository_owner=ORGANIZATION, or repository=ORGANIZATION/REPOSITORY"},
	{"https://gitlab.com", []ownerClaim{
		{"namespace_id", "", 0},
		{"namespace_path", "", '/'},
		{"project_id", "", 0},
		{"project_path", "", '/'},
		{"sub", "project_path:", '/'},
	}, "namespace_path=GROUP, or project_path=GROUP/PROJECT"},
	{"https://agent.buildkite.com", []ownerClaim{
		{"organization_id", "", 0}, {"organization_slug", "", 0}, {"sub", "organization:", ':'},
	}, "organization_slug=ORGANIZATION"},
	{"https://app.terraform.io", []ownerClaim{
		{"terraform_organization_id", "", 0}, {"terraform_organization_name", "", 0}, {"sub", "organization:", ':'},
	}, "terraform_organization_name=ORGANIZATION"},
	{"https://accounts.google.com", []ownerClaim{{"sub", "", 0}, {"email", "", 0}, {"hd", "", 0}}, "email=ACCOUNT"},
}

// ownerClaim is a claim that names an owner: after prefix, up to the character end; 0
// is the whole value.
type ownerClaim struct {
	name, prefix string
	end          byte
}

// names says whether a glob names one owner, without a wildcard.
func (o ownerClaim) names(glob string) bool {
	rest, ok := strings.CutPrefix(glob, o.prefix)
	if !ok {
		return false
	}
	owner := rest
	if i := strings.IndexByte(rest, o.end); o.end != 0 && i >= 0 {
		owner = rest[:i]
	}
	return owner != "" && !strings.Contains(owner, "*")
}

// Narrow is nil if conditions are enough for an issuer: one that signs for everybody
// needs a claim that says whose the tokens are, else strangers' would do
// (errdefs.ErrInvalid).
func (c Conditions) Narrow(issuer string) error {
	for _, s := range shared {
		if !strings.EqualFold(strings.TrimSuffix(issuer, "/"), s.issuer) {
			continue
		}
		for _, o := range s.owner {
			globs := c[o.name]
			if len(globs) > 0 && !slices.ContainsFunc(globs, func(glob string) bool { return !o.names(glob) }) {
				return nil
			}
		}
		return errdefs.Errorf(errdefs.ErrInvalid,
			"%s signs tokens for everybody: add a claim that says whose they are, without * in that name, as %s",
			s.issuer, s.advice)
	}
	return nil
}
