// Package signatures has the API's operations on what signs artifacts, and on whose
// signatures count in projects.
package signatures

import (
	"net/http"
	"time"

	"cove/distribution/signature"
	"cove/registry/api/rest"
	"cove/registry/browse"
	"cove/registry/policies"
	"cove/registry/signing"
)

// Signature is one signature of an artifact.
type Signature struct {
	Form     string `json:"form"`     // cosign, cosign-bundle, notation
	Manifest string `json:"manifest"` // the digest of what holds it
	// Counts: a key that the project trusts made it, of this artifact.
	Counts bool       `json:"counts"`
	Key    string     `json:"key"`             // the name of that key
	Until  *time.Time `json:"until,omitempty"` // to when it counts; not there: without end
	// KeyID, Subject, Issuer and SignedAt are what the signature says of its signer.
	KeyID    string     `json:"keyID"`
	Subject  string     `json:"subject"`
	Issuer   string     `json:"issuer"`
	SignedAt *time.Time `json:"signedAt,omitempty"`
	// Reason is why it does not count: malformed, missing, other-digest, no-key,
	// wrong-key, keyless, expired, unsupported; Detail is a sentence about it.
	Reason string `json:"reason"`
	Detail string `json:"detail"`
}

// Signatures is what signs an artifact, and what that means in its project.
type Signatures struct {
	Repository string      `json:"repository"`
	Digest     string      `json:"digest"`
	Signatures []Signature `json:"signatures"`
	More       bool        `json:"more"` // there are others that were not looked at
	// Required: the project lets only signed artifacts be pulled. Counts: this is one.
	Required bool `json:"required"`
	Counts   bool `json:"counts"`
	// Key is whose signature it is, and Through the index that is signed, when it is not
	// the artifact itself.
	Key     string `json:"key"`
	Through string `json:"through"`
	Reason  string `json:"reason"` // why it is not, as of a signature, or unsigned
	Detail  string `json:"detail"`
}

// ReportOf is a report as the API and the command line show it.
func ReportOf(r signing.Report) Signatures {
	out := Signatures{
		Repository: r.Repository, Digest: r.Digest.String(), More: r.More, Required: r.Required, Counts: r.Counts,
		Key: r.Verdict.Key, Through: r.Verdict.Through.String(), Reason: string(r.Failure.Reason),
		Detail: r.Failure.Detail, Signatures: make([]Signature, len(r.Signatures)),
	}
	for i, s := range r.Signatures {
		out.Signatures[i] = Signature{
			Form: string(s.Form), Manifest: s.Manifest.String(), Counts: s.Key != "", Key: s.Key,
			Until: rest.Moment(s.Until), KeyID: s.Signer.KeyID, Subject: s.Signer.Subject, Issuer: s.Signer.Issuer,
			SignedAt: rest.Moment(s.Signer.At), Reason: string(s.Failure.Reason), Detail: s.Failure.Detail,
		}
	}
	return out
}

// SigningKey is a key whose signatures count in a project.
type SigningKey struct {
	Name      string    `json:"name"`
	ID        string    `json:"id"`   // sha256:… of the key, or of the certificate
	Kind      string    `json:"kind"` // key (cosign's) or certificate (notation's)
	Algorithm string    `json:"algorithm"`
	Subject   string    `json:"subject"` // of a certificate
	PEM       string    `json:"pem"`
	By        string    `json:"by"`
	At        time.Time `json:"at"`
	// Until is when the certificate ends; a key does not.
	Until *time.Time `json:"until,omitempty"`
}

// KeyOf is a key as the API and the command line show it.
func KeyOf(k signing.TrustedKey) SigningKey {
	out := SigningKey{
		Name: k.Name, ID: k.ID, Kind: "key", Algorithm: k.Algorithm, PEM: k.PEM, By: k.By, At: k.At.UTC(),
	}
	if k.Certificate != nil {
		out.Kind, out.Subject = "certificate", k.Certificate.Subject.String()
		out.Until = rest.Moment(k.Certificate.NotAfter)
	}
	return out
}

// SigningPolicy is what a project wants of signatures.
type SigningPolicy struct {
	Required bool         `json:"required"` // only what one of the keys has signed is pulled
	Keys     []SigningKey `json:"keys"`
}

// PolicyOf is a policy as the API and the command line show it.
func PolicyOf(p signing.Policy) SigningPolicy {
	out := SigningPolicy{p.Required, make([]SigningKey, len(p.Keys))}
	for i, k := range p.Keys {
		out.Keys[i] = KeyOf(k)
	}
	return out
}

// SigningChange says whether only signed artifacts are pulled.
type SigningChange struct {
	Required bool `json:"required"`
}

// NewSigningKey is a key to be trusted: a public key or a certificate, in PEM.
type NewSigningKey struct {
	Name string `json:"name"`
	PEM  string `json:"pem"`
}

// Services have the operations.
type Services struct{ Policies *policies.Policies }

// Operations are the rows of the API's table.
func (s Services) Operations() []rest.Operation {
	const project = "/projects/{project}/signing"
	return []rest.Operation{
		{
			Method: http.MethodGet, Path: "/signatures/{artifact...}", Right: signing.See, Object: "manifest",
			ID: "getSignatures", Summary: "What signs an artifact, and whether it counts: team/app:v1 or team/app@sha256:…",
			Answer: Signatures{},
			Status: 200, Serve: s.report,
		},
		{
			Method: http.MethodGet, Path: project, Right: signing.Read, Object: "project",
			ID: "getSigning", Summary: "Whose signatures count in a project, and whether only signed artifacts are pulled",
			Answer: SigningPolicy{},
			Status: 200, Serve: s.policy,
		},
		{
			Method: http.MethodPut, Path: project, Right: signing.Change, Object: "project",
			ID: "setSigning", Summary: "Let only signed artifacts be pulled from a project, or all",
			Body:   SigningChange{},
			Status: 204, Serve: s.require,
		},
		{
			Method: http.MethodPost, Path: project + "/keys", Right: signing.Change, Object: "project",
			ID: "addSigningKey", Summary: "Trust a public key or a certificate in a project",
			Body:   NewSigningKey{},
			Answer: SigningKey{},
			Status: 201, Serve: s.trust,
		},
		{
			Method: http.MethodDelete, Path: project + "/keys/{key}", Right: signing.Change, Object: "project",
			ID: "deleteSigningKey", Summary: "Trust a key no longer: what it signed counts no more",
			Status: 204, Serve: s.distrust,
		},
	}
}

func (s Services) report(asked *rest.Ask) (any, error) {
	name, err := browse.ParseName(asked.PathValue("artifact"))
	if err != nil {
		return nil, err
	}
	r, err := s.Policies.Signing.Report(asked.Context(), asked.Caller, name.Repository, name.Tag, name.Digest)
	if err != nil {
		return nil, err
	}
	return ReportOf(r), nil
}

func (s Services) policy(asked *rest.Ask) (any, error) {
	p, err := s.Policies.Signing.Of(asked.Context(), asked.Caller, asked.PathValue("project"))
	return PolicyOf(p), err
}

func (s Services) require(asked *rest.Ask) (any, error) {
	var body SigningChange
	if err := asked.Read(&body); err != nil {
		return nil, err
	}
	return nil, s.Policies.Signing.Require(asked.Context(), asked.Caller, asked.PathValue("project"), body.Required)
}

func (s Services) trust(asked *rest.Ask) (any, error) {
	var body NewSigningKey
	if err := asked.Read(&body); err != nil {
		return nil, err
	}
	project := asked.PathValue("project")
	k, err := s.Policies.Signing.Trust(asked.Context(), asked.Caller, project, body.Name, body.PEM)
	if err != nil {
		return nil, err
	}
	asked.W.Header().Set("Location", rest.Base+"/projects/"+project+"/signing/keys/"+body.Name)
	return KeyOf(k), nil
}

func (s Services) distrust(asked *rest.Ask) (any, error) {
	return nil, s.Policies.Signing.Distrust(asked.Context(), asked.Caller, asked.PathValue("project"),
		asked.PathValue("key"))
}

// ForPeople says a form as people call it.
func ForPeople(form signature.Form) string {
	if form == signature.CosignBundle {
		return "cosign (bundle)"
	}
	return string(form)
}
