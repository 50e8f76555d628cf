#include <archive.h>
#include <archive_entry.h>
// Swift's Glibc module leaves out extended attributes.
#include <sys/xattr.h>
#include <zlib.h>
#include <zstd.h>
