//! Operators of `ai.onnx.ml`: trees, linear models, encoders and scalers.

mod lookup;
mod maps;
mod scores;
mod svm;
mod trees;

crate::registry::operators! {
    array_feature_extractor::ArrayFeatureExtractor;
    binarizer::Binarizer;
    cast_map::CastMap;
    category_mapper::CategoryMapper;
    dict_vectorizer::DictVectorizer;
    feature_vectorizer::FeatureVectorizer;
    imputer::Imputer;
    label_encoder::LabelEncoder;
    linear_classifier::LinearClassifier;
    linear_regressor::LinearRegressor;
    normalizer::Normalizer;
    one_hot_encoder::OneHotEncoder;
    scaler::Scaler;
    svm_classifier::SvmClassifier;
    svm_regressor::SvmRegressor;
    tree_ensemble::TreeEnsemble;
    tree_ensemble_classifier::TreeEnsembleClassifier;
    tree_ensemble_regressor::TreeEnsembleRegressor;
    zip_map::ZipMap;
}
