// Package about reads what artifacts that are no images say of themselves: Helm charts
// and models. It knows the documents alone, not where they are stored.
package about
