// Package buildctx is the files that a build reads: the context, what
// .dockerignore leaves out of it, and their digests.
//
// A Tree is a directory seen through one descriptor. Every lookup is relative
// to it and resolved by the kernel below it, so that no name in a Dockerfile
// and no symbolic link in a context leads out. The same Tree serves COPY --from
// and the destination of a COPY, where the directory is the root filesystem of
// a stage.
//
// A warm build reads no file: Stats remembers the digest of every file it has
// seen by device, inode, size and times.
package buildctx
