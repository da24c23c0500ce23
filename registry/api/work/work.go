// Package work has the API's operations on jobs and policies: what a registry does
// by rule and apart from requests.
package work

import (
	"net/http"
	"slices"

	"cove/registry/api/rest"
	"cove/registry/policies"
)

// The methods of the table.
const (
	get    = http.MethodGet
	post   = http.MethodPost
	put    = http.MethodPut
	remove = http.MethodDelete
)

// Work has the operations. It is safe for concurrent use.
type Work struct{ p *policies.Policies }

// New returns the operations over these services.
func New(p *policies.Policies) *Work { return &Work{p} }

// Operations are the rows of the API's table.
func (w *Work) Operations() []rest.Operation {
	return slices.Concat(w.jobs(), w.history(), w.immutable(), w.quotas(), w.usage(), w.retention(), w.renames())
}
