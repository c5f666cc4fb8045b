#include "interface/contracts.h"

#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace interface {
namespace {

// One line an operation: "parameter=expression" a tensor with its size in elements, "<limit" after it the range of its integers, "?" where
// NULL is legal, ":dtype" where the pointer's type leaves it open, "[]" a host array of pointers; "$name=expression" how legal sizes are
// made ("free" is a small random number); "#name=n" the codes 0 to n - 1, "#name=a,b" those; "@name" a host array of numbers.
struct Line {
  const char *function, *memory;
};

constexpr Line kTable[] = {
    {"sails_convert", "destination:destination_dtype=n source:source_dtype=n #destination_dtype=4 #source_dtype=4"},
    {"sails_axpby", "y=n x:x_dtype=n"},
    {"sails_add_row", "y=n_rows*n_cols x:x_dtype=n_rows*n_cols row=n_cols"},
    {"sails_gather_rows", "y:dtype=n*n_cols x:dtype=n_rows*n_cols rows=n<n_rows"},
    {"sails_dot_rows", "out_dots=n_rows a=n_rows*n_cols b=n_rows*n_cols"},
    {"sails_scale_rows", "y=n_rows*n_cols x?=n_rows*n_cols alpha?=n_rows beta?=n_rows"},
    {"sails_sum_of_squares", "out_sums=count tensors[]=sizes @sizes"},
    {"sails_count_nonfinite", "out_count=1 x:dtype=n #dtype=3"},
    {"sails_matmul",
     "c:c_dtype=m*ldc a:ab_dtype=(transpose_a?k:m)*lda b:ab_dtype=(transpose_b?n:k)*ldb $ldc=n+free $lda=(transpose_a?m:k)+free "
     "$ldb=(transpose_b?k:n)+free"},
    {"sails_lora_forward", "y:y_dtype=n*d_out h=n*r x:x_dtype=n*d_in lora_a=r*d_in lora_b=d_out*r"},
    {"sails_lora_backward",
     "dx?=n*d_in dlora_a=r*d_in dlora_b=d_out*r dy:dy_dtype=n*d_out x:x_dtype=n*d_in h=n*r lora_a=r*d_in lora_b=d_out*r"},
    {"sails_linear_forward",
     "y:y_dtype=n*d_out h=n*r x:dtype=n*d_in weight:dtype=d_out*d_in bias?=d_out residual:y_dtype?=n*d_out lora_a=r*d_in lora_b=d_out*r"},
    {"sails_linear_backward",
     "dx=n*d_in dlora_a?=r*d_in dlora_b?=d_out*r dy:dtype=n*d_out x:dtype?=n*d_in weight:dtype=d_out*d_in h?=n*r lora_a=r*d_in "
     "lora_b=d_out*r"},
    {"sails_linear_set_forward",
     "ys[]:y_dtype=n*d_out x:dtype=n*d_in weights[]:dtype=d_out*d_in lora_as[]=r*d_in lora_bs[]=d_out*r @d_out @r @scale"},
    {"sails_linear_glu_forward",
     "y:dtype=n*d_out gate:dtype?=n*d_out up:dtype?=n*d_out gate_h?=n*gate_r up_h?=n*up_r x:dtype=n*d_in gate_weight:dtype=d_out*d_in "
     "up_weight:dtype=d_out*d_in gate_lora_a=gate_r*d_in gate_lora_b=d_out*gate_r up_lora_a=up_r*d_in up_lora_b=d_out*up_r #activation=2"},
    {"sails_lora_rows_forward", "y:y_dtype=n*d_out x:x_dtype=n*d_in row_adapter=n<count lora_as[]=r*d_in lora_bs[]=d_out*r @r @scale"},
    {"sails_dora_norm", "norm=d_out weight:dtype=d_out*d_in lora_a=r*d_in lora_b=d_out*r"},
    {"sails_dora_forward", "y:y_dtype=n*d_out u=n*d_out magnitude=d_out norm=d_out"},
    {"sails_dora_backward", "du:dtype=n*d_out dmagnitude?=d_out dy:dtype=n*d_out u=n*d_out magnitude=d_out norm=d_out"},
    {"sails_quantize", "y:byte=rows*(((cols+31)/32*34+15)/16*16) x:x_dtype=rows*cols importance?=cols #y_dtype=5,6"},
    {"sails_dequantize", "y:y_dtype=rows*cols x:byte=rows*(((cols+31)/32*34+15)/16*16) #x_dtype=5,6"},
    {"sails_quantized_linear_forward",
     "y:y_dtype=n*d_out h=n*r x:dtype=n*d_in weight:byte=d_out*(((d_in+31)/32*34+15)/16*16) lora_a=r*d_in lora_b=d_out*r "
     "#weight_dtype=5,6"},
    {"sails_quantized_linear_backward",
     "dx=n*d_in dlora_a?=r*d_in dlora_b?=d_out*r dy:dtype=n*d_out x:dtype?=n*d_in weight:byte=d_out*(((d_in+31)/32*34+15)/16*16) h?=n*r "
     "lora_a=r*d_in lora_b=d_out*r #weight_dtype=5,6"},
    {"sails_embedding_forward",
     "y:y_dtype=n_tokens*d_model ids=n_tokens<vocab table:byte=vocab*((d_model+31)/32*128) #table_dtype=0,1,5,6"},
    {"sails_embedding_backward", "dtable=vocab*d_model dy=n_tokens*d_model ids=n_tokens<vocab"},
    {"sails_rmsnorm_forward", "y:y_dtype=n_rows*d rstd?=n_rows x:x_dtype=n_rows*d weight=d residual:y_dtype?=n_rows*d"},
    {"sails_rmsnorm_backward", "dx=n_rows*d dweight?=d dy:dy_dtype=n_rows*d x:x_dtype=n_rows*d weight=d rstd=n_rows"},
    {"sails_rope_table", "table=n_tokens*head_dim positions=n_tokens<1000 inv_freq=head_dim/2 $head_dim=2*free"},
    {"sails_rope", "y:dtype=n_tokens*n_heads*head_dim x:dtype=n_tokens*n_heads*head_dim table=n_tokens*head_dim $head_dim=2*free"},
    {"sails_glu_forward", "y:dtype=n gate:dtype=n up:dtype=n #activation=2"},
    {"sails_glu_backward", "dgate:dtype=n dup:dtype=n dy:dtype=n gate:dtype=n up:dtype=n #activation=2"},
    {"sails_residual_norm_forward", "out=n_rows*d y:y_dtype=n_rows*d x=n_rows*d x_weight?=d residual=n_rows*d y_weight=d"},
    {"sails_attention_forward",
     "out:dtype=batch*n_queries*n_heads*head_dim lse?=batch*n_heads*n_queries q:dtype=batch*n_queries*n_heads*head_dim "
     "k:dtype=batch*kv_batch_stride v:dtype=batch*kv_batch_stride q_segment=batch*n_queries<3 k_segment=batch*n_keys<3 "
     "$n_kv_heads=1+free $n_heads=n_kv_heads*free $head_dim=8*free $kv_batch_stride=n_keys*n_kv_heads*head_dim+8*free $query_offset=free "
     "$window=free"},
    {"sails_attention_backward",
     "dq:dtype=batch*n_queries*n_heads*head_dim dk:dtype=batch*n_keys*n_kv_heads*head_dim dv:dtype=batch*n_keys*n_kv_heads*head_dim "
     "dout:dtype=batch*n_queries*n_heads*head_dim q:dtype=batch*n_queries*n_heads*head_dim k:dtype=batch*kv_batch_stride "
     "v:dtype=batch*kv_batch_stride out:dtype=batch*n_queries*n_heads*head_dim lse=batch*n_heads*n_queries q_segment=batch*n_queries<3 "
     "k_segment=batch*n_keys<3 $n_kv_heads=1+free $n_heads=n_kv_heads*free $head_dim=8*free "
     "$kv_batch_stride=n_keys*n_kv_heads*head_dim+8*free $query_offset=free $window=free"},
    {"sails_softcap_forward", "y=n x=n"},
    {"sails_softcap_backward", "dx=n dy=n y=n"},
    {"sails_cross_entropy",
     "token_loss=n_tokens dlogits?=n_tokens*vocab logits=n_tokens*vocab targets=n_tokens<vocab token_weight?=n_tokens"},
    {"sails_head_loss",
     "token_loss=n_tokens dhidden?=n_tokens*d_model dembed?=vocab*d_model hidden:dtype=n_tokens*d_model embed:dtype=vocab*d_model "
     "targets=n_tokens<vocab token_weight?=n_tokens"},
    {"sails_preference_loss",
     "results=4*n_pairs token_weight?=n_tokens token_loss=n_tokens targets=n_tokens<5 starts=2*n_pairs<n_tokens ends=2*n_pairs<n_tokens+1 "
     "reference?=2*n_pairs #kind=3"},
    {"sails_sample", "ids=n_rows logits=n_rows*vocab uniform?=n_rows $top_k=free"},
    {"sails_rope_append",
     "q:dtype=batch*n_heads*head_dim keys:dtype=batch*capacity*n_kv_heads*head_dim values:dtype=batch*capacity*n_kv_heads*head_dim "
     "k_segment=batch*capacity<3 k:dtype=batch*n_kv_heads*head_dim v:dtype=batch*n_kv_heads*head_dim table=batch*head_dim "
     "q_segment=batch<3 key_position=1<capacity $n_kv_heads=1+free $n_heads=n_kv_heads*free $head_dim=8*free"},
    {"sails_attention_decode",
     "out:dtype=batch*n_heads*head_dim q:dtype=batch*n_heads*head_dim keys:dtype=batch*capacity*n_kv_heads*head_dim "
     "values:dtype=batch*capacity*n_kv_heads*head_dim q_segment=batch<3 k_segment=batch*capacity<3 key_position=1<capacity "
     "$n_kv_heads=1+free $n_heads=n_kv_heads*free $head_dim=8*free $window=free"},
    {"sails_rope_append_paged",
     "q:dtype=batch*n_heads*head_dim keys:dtype=n_pages*page_tokens*n_kv_heads*head_dim "
     "values:dtype=n_pages*page_tokens*n_kv_heads*head_dim k:dtype=batch*n_kv_heads*head_dim v:dtype=batch*n_kv_heads*head_dim "
     "table=batch*head_dim positions=batch<table_pages*page_tokens page_table=batch*table_pages<n_pages $n_pages=1+free "
     "$page_tokens=1+free $table_pages=1+free $n_kv_heads=1+free $n_heads=n_kv_heads*free $head_dim=8*free"},
    {"sails_attention_decode_paged",
     "out:dtype=batch*n_heads*head_dim q:dtype=batch*n_heads*head_dim keys:dtype=n_pages*page_tokens*n_kv_heads*head_dim "
     "values:dtype=n_pages*page_tokens*n_kv_heads*head_dim positions=batch<table_pages*page_tokens "
     "page_table=batch*table_pages<n_pages $n_pages=1+free $page_tokens=1+free $table_pages=1+free $n_kv_heads=1+free "
     "$n_heads=n_kv_heads*free $head_dim=8*free $window=free"},
    {"sails_decode_advance", "history=n_steps*batch positions=batch<100 key_position=1<100 step=1<n_steps ids=batch<100"},
    {"sails_project", "y=d*n g=d*n basis=d*r_s"},
    {"sails_project_set", "ys[]=d*n gs[]=d*n bases[]=d*r_s @d @r_s @n @right"},
    {"sails_adamw_rates", "rates=9 $step=1+free"},
    {"sails_adamw", "params[]=sizes m[]=sizes v[]=sizes grads[]=sizes rates=9 @sizes"},
    {"sails_adamw_projected", "params[]=d*n m[]=d*n v[]=d*n grads[]=d*n bases[]=d*r_s rates=9 @d @r_s @n @right #projection=2"},
    {"sails_adamw_8bit",
     "params[]=sizes m[]:byte=(sizes+255)/256*256 v[]:byte=(sizes+255)/256*256 m_absmax[]=(sizes+255)/256 v_absmax[]=(sizes+255)/256 "
     "grads[]=sizes m_code=256 v_code=256 rates=9 @sizes"},
    {"sails_sae_encode",
     "indices=n_tokens*capacity values=n_tokens*capacity counts=n_tokens x:dtype=n_tokens*d_in w_enc:dtype=d_in*d_sae bias?=d_sae "
     "threshold?=d_sae scale?=d_sae gate_bias?=d_sae #activation=4 $k=free"},
    {"sails_sae_encode_backward",
     "dx=n_tokens*d_in dvalues=n_tokens*capacity indices=n_tokens*capacity<d_sae counts=n_tokens<capacity+1 w_enc:dtype=d_in*d_sae "
     "scale?=d_sae"},
    {"sails_sae_decode",
     "recon=n_tokens*d_in indices=n_tokens*capacity<d_sae values=n_tokens*capacity counts=n_tokens<capacity+1 w_dec:dtype=d_sae*d_in "
     "bias?=d_in scale?=d_sae"},
    {"sails_sae_decode_backward",
     "dvalues=n_tokens*capacity drecon=n_tokens*d_in indices=n_tokens*capacity<d_sae counts=n_tokens<capacity+1 w_dec:dtype=d_sae*d_in "
     "scale?=d_sae"},
    {"sails_sae_weight_gradient",
     "dw=d_sae*d_in rows=n_tokens*d_in indices=n_tokens*capacity<d_sae values=n_tokens*capacity counts=n_tokens<capacity+1 #transposed=2"},
    {"sails_sae_densify", "acts=n_tokens*d_sae indices=n_tokens*capacity<d_sae values=n_tokens*capacity counts=n_tokens<capacity+1"},
    {"sails_sae_accumulate",
     "sum=n_classes*d_sae active?=n_classes*d_sae indices=n_tokens*capacity<d_sae values=n_tokens*capacity counts=n_tokens<capacity+1 "
     "token_class=n_tokens<n_classes token_weight?=n_tokens"},
    {"sails_sae_statistics",
     "sum=n_classes*d_sae sum_squares?=n_classes*d_sae active?=n_classes*d_sae x:dtype=n_tokens*d_in w_enc:dtype=d_in*d_sae bias?=d_sae "
     "threshold?=d_sae scale?=d_sae gate_bias?=d_sae token_class=n_tokens<n_classes token_weight?=n_tokens #activation=4"},
    {"sails_standardize_forward", "y=n_rows*n_cols mean=n_rows std=n_rows x=n_rows*n_cols"},
    {"sails_standardize_backward", "dx=n_rows*n_cols dy=n_rows*n_cols dmean?=n_rows dstd?=n_rows x=n_rows*n_cols mean=n_rows std=n_rows"},
    {"sails_unstandardize_forward", "y=n_rows*n_cols x=n_rows*n_cols mean=n_rows std=n_rows"},
    {"sails_unstandardize_backward", "dx=n_rows*n_cols dmean=n_rows dstd=n_rows dy=n_rows*n_cols x=n_rows*n_cols std=n_rows"},
};

[[noreturn]] void stop(const std::string &sentence) {
  std::fprintf(stderr, "%s\n", sentence.c_str());
  std::exit(2);
}

// expression = sum ["?" expression ":" expression]; sum = product {"+" product}; product = atom {("*" | "/") atom}
class Expression {
 public:
  Expression(const std::string &text, const Names &names) : text_(text), names_(names) {}
  __int128 value() {
    const __int128 result = choice();
    if (at_ != text_.size()) stop("cannot read '" + text_ + "' at " + std::to_string(at_));
    return result;
  }

 private:
  bool next(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    at_++;
    return true;
  }
  __int128 choice() {
    const __int128 condition = sum();
    if (!next('?')) return condition;
    const __int128 yes = choice();
    if (!next(':')) stop("no ':' in '" + text_ + "'");
    const __int128 no = choice();
    return condition != 0 ? yes : no;
  }
  __int128 sum() {
    __int128 result = product();
    while (next('+')) result += product();
    return result;
  }
  // Sizes are below 2^63 in amount; more than 2^100 is cut, it is too much in any case.
  static __int128 cut(__int128 value) {
    const __int128 most = __int128{1} << 100;
    return value > most ? most : value < -most ? -most : value;
  }
  __int128 product() {
    __int128 result = atom();
    for (;;) {
      if (next('*')) {
        __int128 factor = atom(), out = 0;
        result = __builtin_mul_overflow(result, factor, &out)
                     ? cut((result < 0) == (factor < 0) ? __int128{1} << 100 : -(__int128{1} << 100))
                     : cut(out);
      } else if (next('/')) {
        result /= atom();
      } else {
        return result;
      }
    }
  }
  __int128 atom() {
    if (next('(')) {
      const __int128 result = choice();
      if (!next(')')) stop("no ')' in '" + text_ + "'");
      return result;
    }
    const size_t begin = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_')) at_++;
    const std::string word = text_.substr(begin, at_ - begin);
    if (word.empty()) stop("cannot read '" + text_ + "' at " + std::to_string(at_));
    return std::isdigit(static_cast<unsigned char>(word[0])) ? std::stoll(word) : names_(word);
  }

  const std::string &text_;
  const Names &names_;
  size_t at_ = 0;
};

Tensor tensor(const Function &function, const std::string &word) {
  Tensor result;
  const size_t equals = word.find('='), less = word.find('<');
  std::string name = word.substr(0, equals);
  result.size = word.substr(equals + 1, less == std::string::npos ? less : less - equals - 1);
  if (less != std::string::npos) result.limit = word.substr(less + 1);
  if (name.back() == '?') {
    result.optional = true;
    name.pop_back();
  }
  const size_t colon = name.find(':');
  if (colon != std::string::npos) result.dtype = name.substr(colon + 1);
  name = name.substr(0, colon);
  const bool array = name.size() > 2 && name.substr(name.size() - 2) == "[]";
  result.name = array ? name.substr(0, name.size() - 2) : name;
  const Parameter *parameter = function.find(result.name);
  if (parameter == nullptr || parameter->pointers() != array) stop(function.name + " has no such pointer: " + word);
  result.element_bytes = result.dtype == "byte" ? 1 : parameter->element_bytes();
  if (result.element_bytes == 0 && function.find(result.dtype) == nullptr) stop(function.name + ": of what type is " + result.name + "?");
  return result;
}

std::vector<int> codes(const std::string &text) {
  std::vector<int> listed;
  std::stringstream words(text);
  for (std::string word; std::getline(words, word, ',');) listed.push_back(std::stoi(word));
  if (listed.size() > 1) return listed;
  std::vector<int> counted;
  while (static_cast<int>(counted.size()) < listed.at(0)) counted.push_back(static_cast<int>(counted.size()));
  return counted;
}

Contract contract(const Function &function, const char *memory) {
  Contract result{function, {}, {}, {}, {}};
  std::stringstream words(memory);
  for (std::string word; words >> word;) {
    const size_t equals = word.find('=');
    if (word[0] == '$') {
      result.sizes[word.substr(1, equals - 1)] = word.substr(equals + 1);
    } else if (word[0] == '#') {
      result.codes[word.substr(1, equals - 1)] = codes(word.substr(equals + 1));
    } else if (word[0] == '@') {
      result.arrays.push_back(word.substr(1));
    } else {
      result.tensors.push_back(tensor(function, word));
    }
  }
  for (const Parameter &parameter : function.parameters) {
    const std::string &name = parameter.name;
    if (parameter.name.find("dtype") != std::string::npos) result.codes.emplace(name, std::vector<int>{0, 1});
    if (!parameter.pointer() || name == "device" || name == "workspace" || result.find(name) != nullptr) continue;
    bool array = false;
    for (const std::string &known : result.arrays) array = array || known == name;
    if (!array) stop(function.name + ": the table of contracts.cpp does not say how large " + name + " is");
  }
  return result;
}

}  // namespace

__int128 evaluate(const std::string &expression, const Names &names) { return Expression(expression, names).value(); }

const Tensor *Contract::find(const std::string &name) const {
  for (const Tensor &tensor : tensors)
    if (tensor.name == name) return &tensor;
  return nullptr;
}

bool Contract::sizes_memory(const std::string &parameter) const {
  bool used = parameter == "count";
  for (const Tensor &tensor : tensors)
    (void)evaluate(tensor.size, [&](const std::string &name) {
      used = used || name == parameter;
      return __int128{1};
    });
  return used;
}

const std::vector<std::string> &handle_functions() {
  static const std::vector<std::string> names = {"sails_abi_version",
                                                 "sails_device_open",
                                                 "sails_device_close",
                                                 "sails_device_error",
                                                 "sails_device_describe",
                                                 "sails_device_memory",
                                                 "sails_device_host_accessible",
                                                 "sails_alloc",
                                                 "sails_free",
                                                 "sails_upload",
                                                 "sails_download",
                                                 "sails_copy",
                                                 "sails_fill_zero",
                                                 "sails_synchronize",
                                                 "sails_graph_begin",
                                                 "sails_graph_end",
                                                 "sails_graph_launch",
                                                 "sails_graph_close"};
  return names;
}

bool asks_for_workspace(const std::string &function) {
  const std::string ending = "_workspace_bytes";
  return function.size() > ending.size() && function.compare(function.size() - ending.size(), ending.size(), ending) == 0;
}

std::vector<Contract> contracts_of(const std::vector<Function> &header) {
  std::vector<Contract> contracts;
  for (const Function &function : header) {
    bool known = asks_for_workspace(function.name);
    for (const std::string &name : handle_functions()) known = known || name == function.name;
    for (const Line &line : kTable)
      if (function.name == line.function) {
        contracts.push_back(contract(function, line.memory));
        known = true;
      }
    if (!known) stop("the table of contracts.cpp has no line for " + function.name);
  }
  if (contracts.size() != std::size(kTable)) stop("the table of contracts.cpp has functions that sails.h has not");
  return contracts;
}

}  // namespace interface
