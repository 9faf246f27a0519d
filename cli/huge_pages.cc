#include "cli/huge_pages.h"

#include <gperftools/malloc_extension.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <new>

namespace carillon::cli {
namespace {

constexpr std::size_t kHugePageBytes = 2 * 1024 * 1024;

std::size_t whole_pages(std::size_t bytes) { return (bytes + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes; }

// Where tcmalloc gets its memory. It calls under a lock of its own and never gives an address back.
class HugePages final : public SysAllocator {
 public:
  explicit HugePages(SysAllocator* otherwise) : otherwise_(otherwise) {}

  void* Alloc(std::size_t size, std::size_t* actual_size, std::size_t alignment) override {
    const std::size_t bytes = whole_pages(size);
    if (alignment > kHugePageBytes || bytes < size) return otherwise_->Alloc(size, actual_size, alignment);
    void* const mapped = mmap(nullptr, bytes + kHugePageBytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) return otherwise_->Alloc(size, actual_size, alignment);
    // Cut what lies before and behind whole huge pages.
    auto* const begin = static_cast<char*>(mapped);
    const auto address = reinterpret_cast<std::uintptr_t>(mapped);
    const std::size_t before = whole_pages(address) - address;
    if (before > 0) (void)munmap(begin, before);
    if (before < kHugePageBytes) (void)munmap(begin + before + bytes, kHugePageBytes - before);
    (void)madvise(begin + before, bytes, MADV_HUGEPAGE);
    if (actual_size != nullptr) *actual_size = bytes;
    return begin + before;
  }

 private:
  SysAllocator* otherwise_;  // tcmalloc's own.
};

}  // namespace

void take_memory_in_huge_pages() {
  // Never destroyed: memory is taken until the very end.
  alignas(HugePages) static std::byte place[sizeof(HugePages)];
  auto* const tcmalloc = MallocExtension::instance();
  tcmalloc->SetSystemAllocator(new (place) HugePages(tcmalloc->GetSystemAllocator()));
}

}  // namespace carillon::cli
