// Package buildctx is a build context: the files that COPY and ADD may take,
// what .dockerignore leaves out, and their digests.
package buildctx
