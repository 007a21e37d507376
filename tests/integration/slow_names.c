/* A name server that goes away: preloaded, it finds every host with -test in its name on this machine, until the file named by
   NAMES_GONE exists. Then each question takes 8 s, as a resolver's own time-outs do, and fails. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
    const char *gone = getenv("NAMES_GONE");
    if (node && strstr(node, "-test")) {
        if (gone && access(gone, F_OK) == 0) {
            sleep(8);
            return EAI_AGAIN;
        }
        node = "127.0.0.1";
    }
    return real(node, service, hints, found);
}
