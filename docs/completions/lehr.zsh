#compdef lehr

autoload -U is-at-least

_lehr() {
    typeset -A opt_args
    typeset -a _arguments_options
    local ret=1

    if is-at-least 5.2; then
        _arguments_options=(-s -S -C)
    else
        _arguments_options=(-s -C)
    fi

    local context curcontext="$curcontext" state line
    _arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_lehr_commands" \
"*::: :->lehr" \
&& ret=0
    case $state in
    (lehr)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:lehr-command-$line[1]:"
        case $line[1] in
            (deploy)
_arguments "${_arguments_options[@]}" : \
'--json[Print JSON for programs instead of text for people]' \
'-h[Print help]' \
'--help[Print help]' \
':recipe -- What is to be made of which model:_files' \
&& ret=0
;;
(check)
_arguments "${_arguments_options[@]}" : \
'--json[Print JSON for programs instead of text for people]' \
'-h[Print help]' \
'--help[Print help]' \
'*::models -- Model files:_files' \
&& ret=0
;;
(inspect)
_arguments "${_arguments_options[@]}" : \
'*--shape=[Size of a symbolic dimension, as N=1, or whole shape of an input, as x=1x3x224x224; may be repeated]:NAME=SIZES:_default' \
'--optimize=[How much to optimise\: 0 not at all, 1 clean-up that keeps every result bit for bit, 2 what pays at run time and may change rounding, 3 also what trades load time or memory for speed]:LEVEL:_default' \
'--level=[How much to optimise\: 0 not at all, 1 clean-up that keeps every result bit for bit, 2 what pays at run time and may change rounding, 3 also what trades load time or memory for speed]:LEVEL:_default' \
'--threads=[Threads; one for each physical core without it. Results do not depend on it]:N:_default' \
'--isa=[Instruction set\: scalar, neon, avx2 or avx512; the best of this machine without it]:TIER:_default' \
'(--json --plan)--text[Print the graph in its text form, large constants as hashes]' \
'--full[With --text\: print all constants, so that the text can be read back]' \
'(--json)--plan[Print what runs in which order, and where operands lie]' \
'--json[Print JSON for programs instead of text for people]' \
'-h[Print help]' \
'--help[Print help]' \
':model -- Model file:_files' \
&& ret=0
;;
(convert)
_arguments "${_arguments_options[@]}" : \
'-o+[The file to write\: .onnx, .lehr for a bundle, or .txt for the text form; it appears whole or not at all]:OUT:_files' \
'--output=[The file to write\: .onnx, .lehr for a bundle, or .txt for the text form; it appears whole or not at all]:OUT:_files' \
'--opset=[Opset of the written .onnx file, 13 or newer; the lowest from 21 up that can express the model without it]:N:_default' \
'--pipeline=[What happens before and after the model, to be put into a .lehr file with the files that it names]:PIPELINE.toml:_files' \
'--verify=[Run the written model on recorded inputs and compare with the recorded outputs]:RECORDED.npz:_files' \
'--tolerance=[Largest max|a-b| / max|b| that counts as agreement]:RATIO:_default' \
'--optimize=[How much to optimise\: 0 not at all, 1 clean-up that keeps every result bit for bit, 2 what pays at run time and may change rounding, 3 also what trades load time or memory for speed]:LEVEL:_default' \
'--level=[How much to optimise\: 0 not at all, 1 clean-up that keeps every result bit for bit, 2 what pays at run time and may change rounding, 3 also what trades load time or memory for speed]:LEVEL:_default' \
'--external-data[Put weights into a file beside the .onnx file]' \
'--json[Print JSON for programs instead of text for people]' \
'-h[Print help]' \
'--help[Print help]' \
':model -- Model file:_files' \
&& ret=0
;;
(optimize)
_arguments "${_arguments_options[@]}" : \
'-o+[The file to write\: .onnx, .lehr for a bundle, or .txt for the text form; it appears whole or not at all]:OUT:_files' \
'--output=[The file to write\: .onnx, .lehr for a bundle, or .txt for the text form; it appears whole or not at all]:OUT:_files' \
'--opset=[Opset of the written .onnx file, 13 or newer; the lowest from 21 up that can express the model without it]:N:_default' \
'--optimize=[How much to optimise\: 0 not at all, 1 clean-up that keeps every result bit for bit, 2 what pays at run time and may change rounding, 3 also what trades load time or memory for speed]:LEVEL:_default' \
'--level=[How much to optimise\: 0 not at all, 1 clean-up that keeps every result bit for bit, 2 what pays at run time and may change rounding, 3 also what trades load time or memory for speed]:LEVEL:_default' \
'*--input-shape=[Settle the shape of an input, as x=1x3x224x224, or a symbolic dimension, as N=1, for good; may be repeated]:NAME=SIZES:_default' \
'--batch=[Settle the first dimension of every input where it is symbolic]:N:_default' \
'--max-edits=[Make only the first N edits]:N:_default' \
'--stop-after=[Stop after this pass has run for the first time]:PASS:_default' \
'*--only=[Run no other pass than this one; may be repeated]:PASS:_default' \
'*--disable=[Leave a pass out; may be repeated]:PASS:_default' \
'--feed=[Inputs\: an .npz file with arrays by input name, or a folder with input_0.pb … in the order of the inputs]:PATH:_files' \
'--external-data[Put weights into a file beside the .onnx file]' \
'--explain[Say of every pass where it fired, and of every rewrite that did not fire why not]' \
'--check[Evaluate the model before and after every pass and stop at the first that changes a result\: on the inputs of --feed, else on random ones]' \
'--bisect[As --check; if a result changes, find the single edit that is guilty and name it]' \
'--exact[Run only passes that keep every result bit for bit]' \
'--json[Print JSON for programs instead of text for people]' \
'-h[Print help]' \
'--help[Print help]' \
':model -- Model file:_files' \
&& ret=0
;;
(run)
_arguments "${_arguments_options[@]}" : \
'(--feed)--text=[Text to run the model on, instead of files]:TEXT:_default' \
'(--feed)--pipeline=[What happens before and after the model; the bundle'\''s own without it]:PIPELINE.toml:_files' \
'--feed=[Inputs\: an .npz file with arrays by input name, or a folder with input_0.pb … in the order of the inputs]:PATH:_files' \
'--save=[Save what is computed\: with --feed an .npz of outputs by name; else a .jsonl or .csv file with a line for each input, which is written as the answers come]:OUT:_files' \
'(--feed)--shard=[Take only one of N equal parts of the inputs, as 2/4]:I/N:_default' \
'(--feed)--labels=[Right answers, to tell how many are\: lines of file name, tab, label]:LABELS.tsv:_files' \
'(--feed)--draw=[Draw answers on the pictures\: a .png file for one input, a folder for many]:OUT:_files' \
'--top-k=[Show at most K classes; with --feed the K largest elements of each row along the last axis]:K:_default' \
'--optimize=[How much to optimise\: 0 not at all, 1 clean-up that keeps every result bit for bit, 2 what pays at run time and may change rounding, 3 also what trades load time or memory for speed]:LEVEL:_default' \
'--level=[How much to optimise\: 0 not at all, 1 clean-up that keeps every result bit for bit, 2 what pays at run time and may change rounding, 3 also what trades load time or memory for speed]:LEVEL:_default' \
'--threads=[Threads; one for each physical core without it. Results do not depend on it]:N:_default' \
'--isa=[Instruction set\: scalar, neon, avx2 or avx512; the best of this machine without it]:TIER:_default' \
'(--feed)--resume[Go on where an earlier run to the same --save file stopped\: inputs that it answered are left out]' \
'--profile[Measure every node]' \
'--reference[Evaluate every node by its reference definition\: slow, to compare with]' \
'--json[Print JSON for programs instead of text for people]' \
'-h[Print help]' \
'--help[Print help]' \
':model -- Model file:_files' \
'*::inputs -- Pictures, recordings, texts, tables, arrays; folders and patterns name many:_default' \
&& ret=0
;;
(pipeline)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
":: :_lehr__subcmd__pipeline_commands" \
"*::: :->pipeline" \
&& ret=0

    case $state in
    (pipeline)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:lehr-pipeline-command-$line[1]:"
        case $line[1] in
            (check)
_arguments "${_arguments_options[@]}" : \
'--json[Print JSON for programs instead of text for people]' \
'-h[Print help]' \
'--help[Print help]' \
':model -- Model file:_files' \
'::pipeline -- The pipeline; the bundle'\''s own without it:_files' \
&& ret=0
;;
(fit)
_arguments "${_arguments_options[@]}" : \
'-o+[The fitted pipeline to write; it appears whole or not at all]:OUT.toml:_files' \
'--output=[The fitted pipeline to write; it appears whole or not at all]:OUT.toml:_files' \
'--input=[Which input is fitted, where there are several]:NAME:_default' \
'-h[Print help]' \
'--help[Print help]' \
':pipeline -- The pipeline, with steps that are not fitted yet:_files' \
':data -- The data\: a .csv file for tables:_files' \
&& ret=0
;;
(steps)
_arguments "${_arguments_options[@]}" : \
'--json[Print JSON for programs instead of text for people]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_lehr__subcmd__pipeline__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:lehr-pipeline-help-command-$line[1]:"
        case $line[1] in
            (check)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(fit)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(steps)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
;;
(bench)
_arguments "${_arguments_options[@]}" : \
'--feed=[Inputs\: an .npz file with arrays by input name, or a folder with input_0.pb … in the order of the inputs]:PATH:_files' \
'*--shape=[Size of a symbolic dimension, as N=1, or whole shape of an input, as x=1x3x224x224; may be repeated]:NAME=SIZES:_default' \
'--min-time=[Measure for at least that many seconds]:SECONDS:_default' \
'--min-runs=[Measure at least that many runs]:N:_default' \
'--warmup=[Runs between the first one and the measured ones]:N:_default' \
'--outputs=[Save the outputs into that folder as raw little-endian f32 files, one for each output]:DIR:_files' \
'--optimize=[How much to optimise\: 0 not at all, 1 clean-up that keeps every result bit for bit, 2 what pays at run time and may change rounding, 3 also what trades load time or memory for speed]:LEVEL:_default' \
'--level=[How much to optimise\: 0 not at all, 1 clean-up that keeps every result bit for bit, 2 what pays at run time and may change rounding, 3 also what trades load time or memory for speed]:LEVEL:_default' \
'--threads=[Threads; one for each physical core without it. Results do not depend on it]:N:_default' \
'--isa=[Instruction set\: scalar, neon, avx2 or avx512; the best of this machine without it]:TIER:_default' \
'(--json)--profile[Measure every node as well, in runs of their own]' \
'--json[Print JSON for programs instead of text for people]' \
'-h[Print help]' \
'--help[Print help]' \
':model -- Model file:_files' \
&& ret=0
;;
(compare)
_arguments "${_arguments_options[@]}" : \
'--feed=[Inputs\: an .npz file with arrays by input name, or a folder with input_0.pb … in the order of the inputs]:PATH:_files' \
'*--shape=[Size of a symbolic dimension, as N=1, or whole shape of an input, as x=1x3x224x224; may be repeated]:NAME=SIZES:_default' \
'--tolerance=[Largest max|a-b| / max|b| that counts as agreement]:RATIO:_default' \
'--optimize=[How much to optimise\: 0 not at all, 1 clean-up that keeps every result bit for bit, 2 what pays at run time and may change rounding, 3 also what trades load time or memory for speed]:LEVEL:_default' \
'--level=[How much to optimise\: 0 not at all, 1 clean-up that keeps every result bit for bit, 2 what pays at run time and may change rounding, 3 also what trades load time or memory for speed]:LEVEL:_default' \
'--threads=[Threads; one for each physical core without it. Results do not depend on it]:N:_default' \
'--isa=[Instruction set\: scalar, neon, avx2 or avx512; the best of this machine without it]:TIER:_default' \
'--reference[Compare with the reference evaluation of the same model]' \
'--json[Print JSON for programs instead of text for people]' \
'-h[Print help]' \
'--help[Print help]' \
':a -- The model in question:_files' \
'::b -- What it is compared with:_files' \
&& ret=0
;;
(verify)
_arguments "${_arguments_options[@]}" : \
'--json[Print JSON for programs instead of text for people]' \
'-h[Print help]' \
'--help[Print help]' \
':bundle -- Bundle file (.lehr):_files' \
&& ret=0
;;
(conformance)
_arguments "${_arguments_options[@]}" : \
'--optimize=[How much to optimise\: 0 not at all, 1 clean-up that keeps every result bit for bit, 2 what pays at run time and may change rounding, 3 also what trades load time or memory for speed]:LEVEL:_default' \
'--level=[How much to optimise\: 0 not at all, 1 clean-up that keeps every result bit for bit, 2 what pays at run time and may change rounding, 3 also what trades load time or memory for speed]:LEVEL:_default' \
'--threads=[Threads; one for each physical core without it. Results do not depend on it]:N:_default' \
'--isa=[Instruction set\: scalar, neon, avx2 or avx512; the best of this machine without it]:TIER:_default' \
'--reference[Evaluate every node by its reference definition]' \
'(--bundle)--export[Write each model as ONNX, read it back, and run that]' \
'--bundle[Write each model as a bundle, read it back, and run that]' \
'--json[Print JSON for programs instead of text for people]' \
'-h[Print help]' \
'--help[Print help]' \
'*::folders -- Case folders, or folders of such folders:_files' \
&& ret=0
;;
(completions)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
':shell -- The shell:(bash elvish fish powershell zsh)' \
&& ret=0
;;
(man)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
':folder -- The folder; it is made if need be:_files' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_lehr__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:lehr-help-command-$line[1]:"
        case $line[1] in
            (deploy)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(check)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(inspect)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(convert)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(optimize)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(run)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(pipeline)
_arguments "${_arguments_options[@]}" : \
":: :_lehr__subcmd__help__subcmd__pipeline_commands" \
"*::: :->pipeline" \
&& ret=0

    case $state in
    (pipeline)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:lehr-help-pipeline-command-$line[1]:"
        case $line[1] in
            (check)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(fit)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(steps)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
(bench)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(compare)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(verify)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(conformance)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(completions)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(man)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
}

(( $+functions[_lehr_commands] )) ||
_lehr_commands() {
    local commands; commands=(
'deploy:Take a model the whole way\: import, optimise, verify, bundle, run on examples, report' \
'check:Report every problem of a model and what of it is supported' \
'inspect:Show signature, operators, parameters, work and memory plan of a model' \
'convert:Write a model as ONNX of a chosen opset, as a bundle, or in the text form' \
'optimize:Optimise a model and write it' \
'run:Run a model\: on files through its pipeline, or on recorded inputs' \
'pipeline:Check and fit what happens before and after a model' \
'bench:Measure load time, run times and memory' \
'compare:Compare the outputs of two models, or of one model and its reference evaluation' \
'verify:Compare every segment of a bundle with its hash' \
'conformance:Run ONNX test cases\: folders with model.onnx and test_data_set_*' \
'completions:Print the completion script for a shell' \
'man:Write the manual pages into a folder' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'lehr commands' commands "$@"
}
(( $+functions[_lehr__subcmd__bench_commands] )) ||
_lehr__subcmd__bench_commands() {
    local commands; commands=()
    _describe -t commands 'lehr bench commands' commands "$@"
}
(( $+functions[_lehr__subcmd__check_commands] )) ||
_lehr__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'lehr check commands' commands "$@"
}
(( $+functions[_lehr__subcmd__compare_commands] )) ||
_lehr__subcmd__compare_commands() {
    local commands; commands=()
    _describe -t commands 'lehr compare commands' commands "$@"
}
(( $+functions[_lehr__subcmd__completions_commands] )) ||
_lehr__subcmd__completions_commands() {
    local commands; commands=()
    _describe -t commands 'lehr completions commands' commands "$@"
}
(( $+functions[_lehr__subcmd__conformance_commands] )) ||
_lehr__subcmd__conformance_commands() {
    local commands; commands=()
    _describe -t commands 'lehr conformance commands' commands "$@"
}
(( $+functions[_lehr__subcmd__convert_commands] )) ||
_lehr__subcmd__convert_commands() {
    local commands; commands=()
    _describe -t commands 'lehr convert commands' commands "$@"
}
(( $+functions[_lehr__subcmd__deploy_commands] )) ||
_lehr__subcmd__deploy_commands() {
    local commands; commands=()
    _describe -t commands 'lehr deploy commands' commands "$@"
}
(( $+functions[_lehr__subcmd__help_commands] )) ||
_lehr__subcmd__help_commands() {
    local commands; commands=(
'deploy:Take a model the whole way\: import, optimise, verify, bundle, run on examples, report' \
'check:Report every problem of a model and what of it is supported' \
'inspect:Show signature, operators, parameters, work and memory plan of a model' \
'convert:Write a model as ONNX of a chosen opset, as a bundle, or in the text form' \
'optimize:Optimise a model and write it' \
'run:Run a model\: on files through its pipeline, or on recorded inputs' \
'pipeline:Check and fit what happens before and after a model' \
'bench:Measure load time, run times and memory' \
'compare:Compare the outputs of two models, or of one model and its reference evaluation' \
'verify:Compare every segment of a bundle with its hash' \
'conformance:Run ONNX test cases\: folders with model.onnx and test_data_set_*' \
'completions:Print the completion script for a shell' \
'man:Write the manual pages into a folder' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'lehr help commands' commands "$@"
}
(( $+functions[_lehr__subcmd__help__subcmd__bench_commands] )) ||
_lehr__subcmd__help__subcmd__bench_commands() {
    local commands; commands=()
    _describe -t commands 'lehr help bench commands' commands "$@"
}
(( $+functions[_lehr__subcmd__help__subcmd__check_commands] )) ||
_lehr__subcmd__help__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'lehr help check commands' commands "$@"
}
(( $+functions[_lehr__subcmd__help__subcmd__compare_commands] )) ||
_lehr__subcmd__help__subcmd__compare_commands() {
    local commands; commands=()
    _describe -t commands 'lehr help compare commands' commands "$@"
}
(( $+functions[_lehr__subcmd__help__subcmd__completions_commands] )) ||
_lehr__subcmd__help__subcmd__completions_commands() {
    local commands; commands=()
    _describe -t commands 'lehr help completions commands' commands "$@"
}
(( $+functions[_lehr__subcmd__help__subcmd__conformance_commands] )) ||
_lehr__subcmd__help__subcmd__conformance_commands() {
    local commands; commands=()
    _describe -t commands 'lehr help conformance commands' commands "$@"
}
(( $+functions[_lehr__subcmd__help__subcmd__convert_commands] )) ||
_lehr__subcmd__help__subcmd__convert_commands() {
    local commands; commands=()
    _describe -t commands 'lehr help convert commands' commands "$@"
}
(( $+functions[_lehr__subcmd__help__subcmd__deploy_commands] )) ||
_lehr__subcmd__help__subcmd__deploy_commands() {
    local commands; commands=()
    _describe -t commands 'lehr help deploy commands' commands "$@"
}
(( $+functions[_lehr__subcmd__help__subcmd__help_commands] )) ||
_lehr__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'lehr help help commands' commands "$@"
}
(( $+functions[_lehr__subcmd__help__subcmd__inspect_commands] )) ||
_lehr__subcmd__help__subcmd__inspect_commands() {
    local commands; commands=()
    _describe -t commands 'lehr help inspect commands' commands "$@"
}
(( $+functions[_lehr__subcmd__help__subcmd__man_commands] )) ||
_lehr__subcmd__help__subcmd__man_commands() {
    local commands; commands=()
    _describe -t commands 'lehr help man commands' commands "$@"
}
(( $+functions[_lehr__subcmd__help__subcmd__optimize_commands] )) ||
_lehr__subcmd__help__subcmd__optimize_commands() {
    local commands; commands=()
    _describe -t commands 'lehr help optimize commands' commands "$@"
}
(( $+functions[_lehr__subcmd__help__subcmd__pipeline_commands] )) ||
_lehr__subcmd__help__subcmd__pipeline_commands() {
    local commands; commands=(
'check:Run kinds, sizes and types through all steps and compare them with a model, without running anything' \
'fit:Set the fitted numbers of a pipeline from data' \
'steps:List all steps' \
    )
    _describe -t commands 'lehr help pipeline commands' commands "$@"
}
(( $+functions[_lehr__subcmd__help__subcmd__pipeline__subcmd__check_commands] )) ||
_lehr__subcmd__help__subcmd__pipeline__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'lehr help pipeline check commands' commands "$@"
}
(( $+functions[_lehr__subcmd__help__subcmd__pipeline__subcmd__fit_commands] )) ||
_lehr__subcmd__help__subcmd__pipeline__subcmd__fit_commands() {
    local commands; commands=()
    _describe -t commands 'lehr help pipeline fit commands' commands "$@"
}
(( $+functions[_lehr__subcmd__help__subcmd__pipeline__subcmd__steps_commands] )) ||
_lehr__subcmd__help__subcmd__pipeline__subcmd__steps_commands() {
    local commands; commands=()
    _describe -t commands 'lehr help pipeline steps commands' commands "$@"
}
(( $+functions[_lehr__subcmd__help__subcmd__run_commands] )) ||
_lehr__subcmd__help__subcmd__run_commands() {
    local commands; commands=()
    _describe -t commands 'lehr help run commands' commands "$@"
}
(( $+functions[_lehr__subcmd__help__subcmd__verify_commands] )) ||
_lehr__subcmd__help__subcmd__verify_commands() {
    local commands; commands=()
    _describe -t commands 'lehr help verify commands' commands "$@"
}
(( $+functions[_lehr__subcmd__inspect_commands] )) ||
_lehr__subcmd__inspect_commands() {
    local commands; commands=()
    _describe -t commands 'lehr inspect commands' commands "$@"
}
(( $+functions[_lehr__subcmd__man_commands] )) ||
_lehr__subcmd__man_commands() {
    local commands; commands=()
    _describe -t commands 'lehr man commands' commands "$@"
}
(( $+functions[_lehr__subcmd__optimize_commands] )) ||
_lehr__subcmd__optimize_commands() {
    local commands; commands=()
    _describe -t commands 'lehr optimize commands' commands "$@"
}
(( $+functions[_lehr__subcmd__pipeline_commands] )) ||
_lehr__subcmd__pipeline_commands() {
    local commands; commands=(
'check:Run kinds, sizes and types through all steps and compare them with a model, without running anything' \
'fit:Set the fitted numbers of a pipeline from data' \
'steps:List all steps' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'lehr pipeline commands' commands "$@"
}
(( $+functions[_lehr__subcmd__pipeline__subcmd__check_commands] )) ||
_lehr__subcmd__pipeline__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'lehr pipeline check commands' commands "$@"
}
(( $+functions[_lehr__subcmd__pipeline__subcmd__fit_commands] )) ||
_lehr__subcmd__pipeline__subcmd__fit_commands() {
    local commands; commands=()
    _describe -t commands 'lehr pipeline fit commands' commands "$@"
}
(( $+functions[_lehr__subcmd__pipeline__subcmd__help_commands] )) ||
_lehr__subcmd__pipeline__subcmd__help_commands() {
    local commands; commands=(
'check:Run kinds, sizes and types through all steps and compare them with a model, without running anything' \
'fit:Set the fitted numbers of a pipeline from data' \
'steps:List all steps' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'lehr pipeline help commands' commands "$@"
}
(( $+functions[_lehr__subcmd__pipeline__subcmd__help__subcmd__check_commands] )) ||
_lehr__subcmd__pipeline__subcmd__help__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'lehr pipeline help check commands' commands "$@"
}
(( $+functions[_lehr__subcmd__pipeline__subcmd__help__subcmd__fit_commands] )) ||
_lehr__subcmd__pipeline__subcmd__help__subcmd__fit_commands() {
    local commands; commands=()
    _describe -t commands 'lehr pipeline help fit commands' commands "$@"
}
(( $+functions[_lehr__subcmd__pipeline__subcmd__help__subcmd__help_commands] )) ||
_lehr__subcmd__pipeline__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'lehr pipeline help help commands' commands "$@"
}
(( $+functions[_lehr__subcmd__pipeline__subcmd__help__subcmd__steps_commands] )) ||
_lehr__subcmd__pipeline__subcmd__help__subcmd__steps_commands() {
    local commands; commands=()
    _describe -t commands 'lehr pipeline help steps commands' commands "$@"
}
(( $+functions[_lehr__subcmd__pipeline__subcmd__steps_commands] )) ||
_lehr__subcmd__pipeline__subcmd__steps_commands() {
    local commands; commands=()
    _describe -t commands 'lehr pipeline steps commands' commands "$@"
}
(( $+functions[_lehr__subcmd__run_commands] )) ||
_lehr__subcmd__run_commands() {
    local commands; commands=()
    _describe -t commands 'lehr run commands' commands "$@"
}
(( $+functions[_lehr__subcmd__verify_commands] )) ||
_lehr__subcmd__verify_commands() {
    local commands; commands=()
    _describe -t commands 'lehr verify commands' commands "$@"
}

if [ "$funcstack[1]" = "_lehr" ]; then
    _lehr "$@"
else
    compdef _lehr lehr
fi
