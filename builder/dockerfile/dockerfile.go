// Package dockerfile turns a Dockerfile into a plan.Graph. It is the only
// package that knows BuildKit's parser.
package dockerfile
